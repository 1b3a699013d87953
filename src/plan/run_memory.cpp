#include "plan/run_memory.h"

namespace sori {

RunMemory carve_run(Carver& c, Whisper& model, Backend& learn, Backend& judge, const RunLimits& limits) {
  RunMemory r;
  r.optimizer = carve_optimizer(c, model);
  const bool taps = limits.init == "lora_ga";  // starts inside a backward
  if (!taps) {
    const Carver::Scope turn(c);
    r.start = carve_start(c, model, limits.init);
  }
  {
    const Carver::Scope turn(c);
    r.learning = carve_learning(c, model, learn, limits.batch, limits.keep);
    if (taps) r.start = carve_start(c, model, limits.init);
  }
  if (limits.judge) {
    const Carver::Scope turn(c);
    r.recognizer = carve_recognizer(c, model, judge, *limits.judge);
  }
  return r;
}

}  // namespace sori
