#include "plan/measure.h"

#include "base/clock.h"
#include "base/rng.h"
#include "plan/noise.h"
#include "plan/rates.h"

namespace sori {
namespace {

// Three calls at least; more of what is short.
template <class Body>
double best_seconds(Body&& body) {
  constexpr int kLeast = 3;
  constexpr double kEnough = 0.005;  // seconds
  body();
  double best = 0, all = 0;
  for (int i = 0; i < kLeast || all < kEnough; ++i) {
    const auto start = Clock::now();
    body();
    const double once = seconds_since(start);
    best = i == 0 ? once : std::min(best, once);
    all += once;
  }
  return best;
}

// Limits::width leaves the vocabulary out.
Limits limits_of(const std::vector<Operation>& operations) {
  Limits l;
  for (const Operation& o : operations) {
    if (o.is_attention()) {
      l.query_rows = std::max(l.query_rows, o.rows), l.key_rows = std::max(l.key_rows, o.in);
      l.heads = std::max(l.heads, o.heads), l.head_width = std::max(l.head_width, o.out / o.heads);
      continue;
    }
    l.rows = std::max(l.rows, o.rows);
    for (const std::int64_t n : {o.in, o.out})
      if (n <= kManyOutputs) l.width = std::max(l.width, n);
  }
  return l;
}

// An operation's memory and the call.
class Case {
 public:
  Case(Carver& c, DType compute, const Operation& o) : o_(o) {
    if (o.is_attention())
      carve_attention(c, compute);
    else
      carve_product(c, compute);
  }

  void run(Backend& b) {
    switch (o_.kind) {
      case OperationKind::kForward:
        return b.linear(x_, w_, {.int8 = o_.rows >= kRowBlock && o_.out <= kManyOutputs},
                        y_);  // as audio states have many rows
      case OperationKind::kInputGradient:
        return b.linear_backward(y_, w_, /*add=*/false, dx_);
      case OperationKind::kWeightGradient:
        return b.weight_gradient(y_, x_, 1, dw_, nullptr);
      case OperationKind::kAttention:
        return b.attention(x_, k_, v_, spans_, o_.heads, o_.causal, y_, lse_);
      case OperationKind::kAttentionBackward:
        return b.attention_backward(x_, k_, v_, y_, lse_, dy_, spans_, o_.heads, o_.causal, dx_, dk_, dv_);
    }
  }
  // Backward of attention reads what its forward made.
  void prepare(Backend& b) {
    if (o_.kind == OperationKind::kAttentionBackward) b.attention(x_, k_, v_, spans_, o_.heads, o_.causal, y_, lse_);
  }

 private:
  void carve_product(Carver& c, DType compute) {
    const auto noise = [&](std::int64_t cols, std::uint64_t number) {
      return carve_noise(c, compute, o_.rows, cols, number, 1);
    };
    if (o_.kind == OperationKind::kForward) {
      x_ = noise(o_.in, 1), w_ = carve_noise(c, o_.format, o_.out, o_.in, 2);
      y_ = c.mat(compute, o_.rows, o_.out);
    } else if (o_.kind == OperationKind::kInputGradient) {
      y_ = noise(o_.out, 1), w_ = carve_noise(c, o_.format, o_.out, o_.in, 2);
      dx_ = c.mat(DType::kF32, o_.rows, o_.in);
    } else {
      y_ = noise(o_.out, 1), x_ = noise(o_.in, 2);
      dw_ = carve_noise(c, DType::kF32, o_.out, o_.in, 3, 0);
    }
  }

  void carve_attention(Carver& c, DType compute) {
    const std::int64_t queries = round_rows(o_.utterances * o_.rows), keys = round_rows(o_.utterances * o_.in);
    for (std::int64_t u = 0; u < o_.utterances; ++u) spans_.push_back({{u * o_.rows, o_.rows}, {u * o_.in, o_.in}});
    std::uint64_t number = 0;
    const auto noise = [&](DType type, std::int64_t rows) { return carve_noise(c, type, rows, o_.out, ++number, 1); };
    x_ = noise(compute, queries), k_ = noise(compute, keys), v_ = noise(compute, keys);
    y_ = c.mat(compute, queries, o_.out), lse_ = c.mat(DType::kF32, queries, o_.heads);
    if (o_.kind == OperationKind::kAttention) return;
    dy_ = noise(DType::kF32, queries), dx_ = c.mat(compute, queries, o_.out);
    dk_ = c.mat(compute, keys, o_.out), dv_ = c.mat(compute, keys, o_.out);
  }

  Operation o_;
  std::vector<AttentionSpan> spans_;
  BaseWeight w_;
  Mat x_, y_, dx_, dy_, dw_, k_, v_, lse_, dk_, dv_;  // x: queries of an attention, whose gradient is dx
};

void carve_all(Carver& c, Backend& backend, const std::vector<Operation>& operations) {
  backend.carve_scratch(c, limits_of(operations));
  for (const Operation& o : operations) {
    const Carver::Scope turn(c);
    const Case one(c, backend.compute(), o);
  }
}

// Ids that any model has, and targets for all of them.
void fill_batch(Batch& batch, const BatchLimits& limits, int vocabulary) {
  const auto n = static_cast<std::size_t>(limits.tokens);
  std::vector<int> ids(n);
  const Rng rng(0, Draw::kNoise);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<int>(rng.below(i, static_cast<std::uint64_t>(vocabulary)));
  std::vector<BatchItem> items;
  for (std::int64_t u = 0; u < limits.utterances; ++u)
    items.push_back({static_cast<std::uint64_t>(u), limits.frames, ids, ids});
  batch.assign(items);
}

void fill_mel(Mat mel) {
  for (std::int64_t row = 0; row < mel.rows; ++row)
    fill_noise(Rng(0, Draw::kNoise, 1, static_cast<std::uint64_t>(row)), 1,
               {mel.row<float>(row), static_cast<std::size_t>(mel.cols)});
}

constexpr std::int64_t kUpdateWidth = 1024;

Mat carve_update(Carver& c, std::int64_t numbers) {
  return carve_noise(c, DType::kF32, std::max<std::int64_t>(1, numbers / kUpdateWidth), kUpdateWidth, 1, 0);
}

}  // namespace

std::uint64_t OperationTimer::bytes(Compute compute, const std::vector<Operation>& operations) {
  Carver count = Carver::counting();
  carve_all(count, *make_cpu_backend(compute), operations);
  return count.bytes();
}

OperationTimer::OperationTimer(Compute compute, const std::vector<Operation>& operations)
    : arena_(std::make_unique<Arena>(bytes(compute, operations))),
      backend_(make_cpu_backend(compute)),
      carver_(*arena_) {
  backend_->carve_scratch(carver_, limits_of(operations));
}

double OperationTimer::seconds(const Operation& o) {
  const Carver::Scope turn(carver_);
  Case one(carver_, backend_->compute(), o);
  one.prepare(*backend_);
  return best_seconds([&] { one.run(*backend_); });
}

std::uint64_t update_bytes(std::int64_t numbers) {
  Carver count = Carver::counting();
  for (int i = 0; i < 4; ++i) carve_update(count, numbers);
  return count.bytes();
}

double update_seconds(std::int64_t numbers) {
  const auto backend = make_cpu_backend(DType::kF32);
  Arena arena(update_bytes(numbers));
  Carver c(arena);
  const Mat gradient = carve_update(c, numbers), weight = carve_update(c, numbers);
  const Moment m{carve_update(c, numbers)}, v{carve_update(c, numbers)};
  const double seconds = best_seconds([&] {
    backend->sum_squares(gradient);
    backend->adamw_step({.learning_rate = 1e-5}, gradient, weight, m, v);
  });
  return seconds / static_cast<double>(gradient.size());
}

RunMemory StepTimer::carve(Carver& c, Whisper& model, Backend& backend, const RunLimits& limits) {
  carve_noise(c, model);
  RunLimits learning = limits;
  learning.judge.reset();
  return carve_run(c, model, backend, backend, learning);
}

std::uint64_t StepTimer::bytes(Whisper model, Compute compute, const RunLimits& limits) {
  Carver count = Carver::counting();
  carve(count, model, *make_cpu_backend(compute), limits);
  return count.bytes();
}

StepTimer::StepTimer(const Whisper& model, Compute compute, const RunLimits& limits)
    : model_(model),
      arena_(std::make_unique<Arena>(bytes(model, compute, limits))),
      backend_(make_cpu_backend(compute)) {
  Carver carver(*arena_);
  memory_ = carve(carver, model_, *backend_, limits);
  set_zero(memory_.optimizer);
  zero_gradients(model_);
  fill_batch(batch_, limits.batch, model_.config.vocab_size);
  fill_mel(memory_.learning.mel.top(batch_.frames.total));
}

double StepTimer::seconds() {
  const auto start = Clock::now();
  const Pass pass{.backend = *backend_, .training = true, .step = static_cast<std::uint64_t>(step_)};
  const auto tokens = static_cast<float>(std::ranges::count_if(batch_.targets, [](int t) { return t >= 0; }));
  const double loss = forward_backward(pass, model_, batch_, {.scale = 1 / tokens}, memory_.learning);
  const double norm = gradient_norm(*backend_, model_);
  if (!std::isfinite(loss) || !std::isfinite(norm))
    throw Error{ErrorKind::kNumeric, "the loss is not a number", "a step on random weights", ""};
  optimizer_step(*backend_, model_, memory_.optimizer,
                 {.learning_rate = 1e-5, .gradient_scale = clip_scale(norm, 1), .step = ++step_});
  return seconds_since(start);
}

}  // namespace sori
