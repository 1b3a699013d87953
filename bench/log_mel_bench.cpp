// Features: a window of 30 s, by one thread, as the loader makes them.
#include "audio/log_mel.h"

#include "bench.h"

namespace sori::bench {
namespace {

void log_mel(benchmark::State& s) {
  Memory m(DType::kF32);
  const LogMel transform(static_cast<int>(s.range(0)));
  const Mat samples = m.mat(DType::kF32, 1, kWindowSamples, 0.1f),
            mel = m.mat(DType::kF32, kWindowFrames, transform.mel_bins());
  const std::span<const float> window(samples.row<float>(0), static_cast<std::size_t>(samples.cols));
  measure(s, 0, [&] { transform.compute(window, mel); });
}
BENCHMARK(log_mel)->ArgName("mel")->Arg(80)->Arg(128)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace sori::bench

BENCHMARK_MAIN();
