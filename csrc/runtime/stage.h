// A stage: predicts the latents from the features so far, has them coded, and adds them to the features.
#pragma once
#include "entropy/latent_coder.h"
#include "model/tiling.h"
#include "runtime/row_stream.h"

namespace aec {

// Fills in a band's codes and values: an encoder chooses them, a decoder reads them. Bands are as wide as the area that
// is coded, and come from the top down; none reaches over the border of a row of tiles.
class StageCoder {
public:
    virtual ~StageCoder() = default;
    virtual void attach(const RowStreamPointer&) {}  // the features before the stage; before the first band
    virtual void code(Band& band) = 0;
};

struct StageSettings {
    Qualities qualities;  // of the stage's level
    int feature_bits;
    Workers& workers;
};

struct StagePlan {
    const Stage& stage;
    const Tiling& tiling;
    StageSettings settings;
    bool waits = false;   // for the stage before it, which has the same stream, to code a row of tiles whole
    bool injects = true;  // nobody has a use for the features after the last codes if there is no picture to make
};

// The features after the stage, of an area of whole tiles; `in` is those before it.
RowStreamPointer code_stage(const StagePlan& plan, RowStreamPointer in, Rectangle area,
                            std::unique_ptr<StageCoder> coder);

// What the picture's features say that the latents are; of whole maps.
class Latents {
public:
    Latents(const Stage& stage, const RowStreamPointer& decoded, const RowStreamPointer& picture, Workers& workers);
    Map<int32_t> rows(int64_t begin, int64_t end);  // in features, [end - begin][width][latents]; from the top down

private:
    const Stage& stage_;
    RowCursor decoded_, picture_, inner_;
    Workers& workers_;
};

}  // namespace aec
