// The heap inside training steps: what a step works on lies in the arena, so the heap hardly moves.
#include <gtest/gtest.h>

#include <deque>

#include "data/corpus_files.h"
#include "formats/tensor_file.h"
#include "ops/threads.h"
#include "quant/file_format.h"
#include "support/counted_heap.h"
#include "support/tiny_tokenizer.h"
#include "support/tiny_whisper.h"
#include "train/trainer.h"

namespace sori::test {
namespace {

struct Method {
  const char* name;
  const char* base = "f32";  // of what is frozen; "": everything learns
  DType matrices = DType::kF32, moments = DType::kF32;
  bool fused = false, dora = false;

  bool full() const { return *base == 0; }
  friend void PrintTo(const Method& m, std::ostream* out) { *out << m.name; }
};

// Narrow, and long enough for activations to be large beside everything that is not one.
constexpr std::int64_t kPositions = 600, kWidth = 64, kBatch = 2;
WhisperConfig long_config() {
  WhisperConfig c = tiny_config();
  c.d_model = kWidth;
  c.encoder_ffn = c.decoder_ffn = 4 * kWidth;
  c.max_source_positions = kPositions;
  return c;
}
// One [N, C] matrix in f32, the smallest of what a step makes of the sound: 0.3 MiB.
constexpr std::int64_t kActivation = kBatch * kPositions * kWidth * 4, kMiB = 1 << 20;

// Frozen linear layers in a quantised format. The bytes must outlive the model.
void quantise_frozen(Whisper& model, const FileFormat& format, std::deque<std::vector<std::byte>>& bytes) {
  for_each_linear(model, [&](const std::string& name, Linear& l) {
    Parameter& p = l.weight;
    const Numbers numbers{p.rows(), p.cols(), "float32", [&](std::int64_t first, std::span<float> out) {
                            std::copy_n(p.value.row<float>(0) + first, out.size(), out.begin());
                          }};
    FileFormat::WritableParts parts;
    for (const FilePart& part : format.parts(p.rows(), p.cols()))
      parts.emplace_back(bytes.emplace_back(*byte_count(part.type, part.shape)));
    format.quantise(numbers, parts);
    p.weight = format.view(p.rows(), p.cols(), {parts.begin(), parts.end()}, name);
  });
}

// A trainer on four utterances of different lengths, two a step.
class Learner {
 public:
  Learner(const Method& method, Keep keep)
      : tiny_(long_config(), 1,
              [&](Whisper& w) {
                if (method.full())
                  train_everything(w, method.matrices);
                else
                  add_lora(w, {.rank = 8, .alpha = 16, .dropout = method.dora ? 0 : 0.1, .dora = method.dora});
                keep_little(w, method.moments, method.fused);
              }),
        backend_(make_cpu_backend(DType::kF32)) {
    if (const FileFormat* format = find_file_format(method.base)) quantise_frozen(tiny_.model, *format, bytes_);
    const auto carve = [&](Carver& c) {
      optimizer_ = carve_optimizer(c, tiny_.model);
      memory_ = carve_learning(c, tiny_.model, *backend_, {kBatch, maker_.options().frames, kTokens}, keep);
    };
    Carver count = Carver::counting();
    carve(count);
    arena_.emplace(count.bytes());
    Carver carver(*arena_);
    carve(carver);
    set_zero(optimizer_);
    measure_base({*backend_}, tiny_.model, memory_.dora);
    for (int i = 0; i < 4; ++i) {
      Utterance u;
      u.id = fmt::format("an utterance with a name of some length {}", i);
      u.audio = (folder_ / fmt::format("{}.pcm", i)).string();
      u.duration = 0.3 + 0.1 * i;
      u.text = std::string(static_cast<std::size_t>(2 + 8 * i), 'a');
      put_pcm(u.audio, u.duration);
      utterances_.push_back(u);
    }
    plan_.max_steps = 6, plan_.batch = kBatch, plan_.schedule = {"constant", 1e-3, 0, 6};
    plan_.fused_step = method.fused;
    if (method.fused) plan_.max_grad_norm = 0;
  }

  // What each step did to the heap: live at its end, above its beginning; peak and calls inside it.
  std::vector<HeapCounts> run() {
    Trainer trainer(tiny_.model, *backend_, optimizer_, memory_, utterances_, maker_, plan_, state_);
    std::vector<HeapCounts> steps;
    steps.reserve(6);
    const CountedHeap heap;
    std::int64_t before = 0;
    trainer.run([&](const StepReport&) {
      state_.log_history.clear();  // the one thing that is to grow from step to step
      const HeapCounts now = heap.counts();
      steps.push_back({now.live - before, now.peak - before, now.calls});
      before = now.live;
      CountedHeap::restart();
      return true;
    });
    return steps;
  }

 private:
  static constexpr std::int64_t kTokens = 32;

  sori::testing::TemporaryFolder folder_;
  TinyWhisper tiny_;
  std::unique_ptr<Backend> backend_;
  std::deque<std::vector<std::byte>> bytes_;
  Tokenizer tokenizer_ = tiny_tokenizer();
  ExampleMaker maker_{tokenizer_, {.mel_bins = 8, .frames = 2 * kPositions, .max_labels = kTokens}};
  std::optional<Arena> arena_;
  OptimizerState optimizer_;
  LearnMemory memory_;
  std::vector<Utterance> utterances_;
  TrainPlan plan_;
  RunState state_;
};

constexpr std::int64_t kOnceAThread = 4096;  // bytes

class StepHeap : public ::testing::TestWithParam<std::tuple<Method, Keep>> {};

// The first steps build oneDNN's primitives, a set for the shapes of each of the two batches; after them no step leaves
// a byte, but for what a thread takes once, when it first meets a product: under load that may be late (seen: 360 bytes
// in step 4). Two threads: what oneDNN takes for the length of a product, 16 KiB, it takes on each of them.
TEST_P(StepHeap, RisesByLessThanOneActivationAndEndsWhereItBegan) {
  static_assert(kActivation < kMiB);
  if (!kCounts) GTEST_SKIP() << "a sanitizer has the heap";
  const Threads two(2);
  const auto [method, keep] = GetParam();
  const std::vector<HeapCounts> steps = Learner(method, keep).run();
  ASSERT_EQ(steps.size(), 6u);
  int late = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const HeapCounts& s = steps[i];
    RecordProperty(fmt::format("step_{}", i + 1), fmt::format("live {} peak {} calls {}", s.live, s.peak, s.calls));
    if (i < 2) continue;
    EXPECT_LT(s.peak, kActivation) << "step " << i + 1;
    EXPECT_LT(std::abs(s.live), kOnceAThread) << "step " << i + 1;
    late += s.live != 0;
  }
  EXPECT_LE(late, thread_count());
}

INSTANTIATE_TEST_SUITE_P(
    Methods, StepHeap,
    ::testing::Combine(::testing::Values(Method{"lora"}, Method{"lora_int8", "int8"},
                                         Method{"dora_nf4", "nf4", DType::kF32, DType::kF32, false, true},
                                         Method{"lora_nf4", "nf4"}, Method{"full", ""},
                                         Method{"full_fused_8bit", "", DType::kBF16, DType::kU8, true}),
                       ::testing::Values(Keep::kEverything, Keep::kInputs)),
    [](const auto& i) {
      return fmt::format("{}_{}", std::get<0>(i.param).name,
                         std::get<1>(i.param) == Keep::kInputs ? "recomputed" : "kept");
    });

// What the loader and the trainer hand each other goes through it at every step.
TEST(QueueHeap, StaysAsItIs) {
  if (!kCounts) GTEST_SKIP() << "a sanitizer has the heap";
  BoundedQueue<std::unique_ptr<int>> queue(3);
  const CountedHeap heap;
  for (int i = 0; i < 1000; ++i) {
    queue.push(nullptr);
    queue.pop();
  }
  EXPECT_EQ(heap.counts().calls, 0);
}

}  // namespace
}  // namespace sori::test
