#include "runtime/stage.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "runtime/line_window.h"

namespace aec {
namespace {

int16_t clamp_input(int64_t x) {
    return static_cast<int16_t>(std::min<int64_t>(kConvInputMax, std::max<int64_t>(-kConvInputMax, x)));
}

// The prior: μ and σ of an area's latents, from the features before the stage and their local energy.
Band predict(const StagePlan& plan, const RowCursor& in, Rectangle area) {
    const Stage& stage = plan.stage;
    const int64_t width = area.width(), height = area.height(), channels = in.channels(), d = stage.shape.latents,
                  hidden = stage.prior_in.out;
    Band band{area, Features(height, width, d), Map<uint8_t>(height, width, d),
              Map<uint8_t>(height, width, d / kGroup * stage.shape.rvq_levels), Map<int32_t>(height, width, d)};
    plan.settings.workers.split(height, kRowsAtOnce, [&](int64_t begin, int64_t end, Scratch& scratch) {
        LineWindow window(in, area.left, area.right, 3, kConvInputMax, scratch);
        int16_t* const inputs = scratch.take<int16_t>(3 * width * channels);
        int16_t* const inner = scratch.take<int16_t>(width * hidden);
        uint16_t* const columns = scratch.take<uint16_t>((width + 2) * channels);
        int32_t* const sums = scratch.take<int32_t>(width * std::max(hidden, 2 * d));
        for (int64_t y = begin; y < end; ++y) {
            window.move_to(area.top + y, kNeighbours.last(area.bottom));
            const int16_t* rows[3] = {window.row(0), window.row(1), window.row(2)};
            kernels().prior_inputs(rows, static_cast<int>(channels), width, columns, inputs);
            conv_1x1(stage.prior_in, inputs, width, sums);
            kernels().leaky(sums, inner, width * hidden);
            conv_1x1(stage.prior_out, inner, width, sums);
            plan.settings.qualities.for_each_run(
                area.top + y, area.left, area.right, [&](int64_t left, int64_t right, int quality) {
                    const int64_t at = (left - area.left) * d;
                    kernels().prior_outputs(sums + 2 * at, stage.log_gain.data() + (quality - 1) * d, right - left, d,
                                            band.mu.row(y) + at, band.sigma.row(y) + at);
                });
        }
    });
    return band;
}

class CodedStage : public RowStream {
public:
    CodedStage(const StagePlan& plan, RowStreamPointer in, Rectangle area, std::unique_ptr<StageCoder> coder)
        : RowStream(in->height, in->width, area, in->channels, plan.settings.workers),
          plan_(plan),
          in_(std::move(in), kNeighbours),
          coder_(std::move(coder)) {}

private:
    void make(int64_t begin, int64_t end) override {
        const int64_t tile = plan_.tiling.side(plan_.stage.shape.level);
        for (int64_t top = begin; top < end;) {
            const int64_t border = (top / tile + 1) * tile, bottom = std::min(end, border);
            in_.need(bottom);
            if (plan_.waits) in_.need_input(border);
            Band band = predict(plan_, in_, {top, area.left, bottom, area.right});
            coder_->code(band);
            if (plan_.injects) inject(band);
            in_.drop(bottom);
            top = bottom;
        }
    }

    void inject(const Band& band) {
        const Stage& stage = plan_.stage;
        const int64_t columns = area.width(), d = stage.shape.latents;
        const int shift = kCodewordBits + kStepBits - plan_.settings.feature_bits;
        workers.split(band.area.height(), 1, [&](int64_t begin, int64_t end, Scratch& scratch) {
            int16_t* const values = scratch.take<int16_t>(columns * d);
            int32_t* const sums = scratch.take<int32_t>(columns * channels);
            for (int64_t y = begin; y < end; ++y) {
                const int16_t* mu = band.mu.row(y);
                const int32_t* value = band.value.row(y);
                const int64_t at = band.area.top + y;
                plan_.settings.qualities.for_each_run(
                    at, area.left, area.right, [&](int64_t left, int64_t right, int quality) {
                        const int32_t* step = stage.step.data() + (quality - 1) * d;
                        for (int64_t x = left - area.left; x < right - area.left; ++x)
                            for (int64_t i = 0; i < d; ++i) {
                                const int64_t scaled =
                                    (static_cast<int64_t>(value[x * d + i]) * step[i] + (1 << (shift - 1))) >> shift;
                                values[x * d + i] = clamp_input(mu[x * d + i] + scaled);
                            }
                    });
                conv_1x1(stage.inject, values, columns, sums);
                kernels().add(in_.row(at, area.left), sums, row(at), columns * channels);
            }
        });
    }

    const StagePlan plan_;
    RowCursor in_;
    std::unique_ptr<StageCoder> coder_;
};

// What the picture's features have more than the decoded ones, as a convolution's input; [width][channels].
void difference(const RowCursor& decoded, const RowCursor& picture, int64_t y, int16_t* out) {
    const int16_t *f = decoded.row(y, 0), *e = picture.row(y, 0);
    const int64_t count = decoded.stream().width * decoded.channels();
    for (int64_t i = 0; i < count; ++i) out[i] = clamp_input(e[i] - f[i]);
}

// The posterior's hidden features.
class Posterior : public RowStream {
public:
    Posterior(const Stage& stage, RowStreamPointer decoded, RowStreamPointer picture, Workers& workers)
        : RowStream(decoded->height, decoded->width, decoded->area, stage.posterior_in.out, workers),
          stage_(stage),
          decoded_(std::move(decoded)),
          picture_(std::move(picture)) {}

private:
    void make(int64_t begin, int64_t end) override {
        decoded_.need(end);
        picture_.need(end);
        const int64_t n = decoded_.channels();
        workers.split(end - begin, 1, [&](int64_t first, int64_t last, Scratch& scratch) {
            int16_t* const more = scratch.take<int16_t>(width * n);
            int16_t* const both = scratch.take<int16_t>(2 * width * n);
            int32_t* const sums = scratch.take<int32_t>(width * channels);
            for (int64_t y = begin + first; y < begin + last; ++y) {
                difference(decoded_, picture_, y, more);
                const int16_t* f = decoded_.row(y, 0);
                for (int64_t x = 0; x < width; ++x) {
                    kernels().clamp(f + x * n, both + 2 * x * n, n, kConvInputMax);
                    std::copy_n(more + x * n, n, both + (2 * x + 1) * n);
                }
                conv_1x1(stage_.posterior_in, both, width, sums);
                kernels().leaky(sums, row(y), width * channels);
            }
        });
        decoded_.drop(end);
        picture_.drop(end);
    }

    const Stage& stage_;
    RowCursor decoded_, picture_;
};

}  // namespace

RowStreamPointer code_stage(const StagePlan& plan, RowStreamPointer in, Rectangle area,
                            std::unique_ptr<StageCoder> coder) {
    coder->attach(in);
    return std::make_shared<CodedStage>(plan, std::move(in), area, std::move(coder));
}

Latents::Latents(const Stage& stage, const RowStreamPointer& decoded, const RowStreamPointer& picture, Workers& workers)
    : stage_(stage),
      decoded_(decoded),
      picture_(picture),
      inner_(std::make_shared<Posterior>(stage, decoded, picture, workers), kNeighbours),
      workers_(workers) {}

Map<int32_t> Latents::rows(int64_t begin, int64_t end) {
    const int64_t width = decoded_.stream().width, d = stage_.shape.latents;
    inner_.need(end);
    Map<int32_t> z(end - begin, width, d);
    workers_.split(end - begin, kRowsAtOnce, [&](int64_t first, int64_t last, Scratch& scratch) {
        LineWindow window(inner_, 0, width, SpatialConv::kWindow, kSpatialInputMax, scratch);
        SpatialConv spatial(stage_.posterior_out, width, scratch);
        int16_t* const more = scratch.take<int16_t>(width * decoded_.channels());
        for (int64_t pair = begin + first; pair < begin + last; pair += SpatialConv::kRows) {
            window.move_to(pair, kNeighbours.last(end));
            const int32_t* correction = spatial(window);
            for (int64_t y = pair; y < std::min(begin + last, pair + SpatialConv::kRows); ++y) {
                difference(decoded_, picture_, y, more);
                int32_t* out = z.row(y - begin);
                conv_1x1(stage_.select, more, width, out);
                for (int64_t i = 0; i < width * d; ++i) out[i] += *correction++;
            }
        }
    });
    decoded_.drop(end);
    picture_.drop(end);
    inner_.drop(end);
    return z;
}

}  // namespace aec
