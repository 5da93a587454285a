"""The network in floating point, in torch: what the trainer trains, and what efforts 5 to 9 refine latents with."""
