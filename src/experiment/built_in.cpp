#include "experiment/grid.h"

namespace sori {
namespace {

constexpr const char* kStudy =
    R"(# The study's comparison on any corpus: full fine-tuning, LoRA, LoRA on 8 bits and on 4 bits.
#
# Arm "tuned" gives each row the best of four rates, chosen on one split and reported on another. Arm "one-rate" trains
# everything at one learning rate, as a study would that tunes none.

title = "Full fine-tuning, LoRA, and LoRA on 8 and 4 bits"
choose-split = "dev"         # rates are chosen here
report-split = "eval_clean"  # and error rates reported here
baseline = "full"            # the others are compared with this row,
baseline-steps = 100         # and with what it reaches after so many steps
guard = "nf4"                # after as many steps: what did it break? (sori guard)
compare = [                  # and with each other: what 8 or 4 bits alone cost, what all layers and the rank bring
  ["int8", "lora"], ["nf4", "lora"], ["lora", "lora-qv"], ["nf4", "nf4-qv"], ["nf4-qv", "lora-qv"], ["nf4", "nf4-r8"],
]

[tune]
steps = 100
seed = 0

[train]  # options of sori train, for every row
per-device-train-batch-size = 4
warmup-steps = 0.1
lora-r = 32
lora-alpha = 64
max-eval-samples = 1  # whole splits are evaluated below

[evaluate]  # options of sori evaluate
max-new-tokens = 128

[[row]]
name = "full"
label = "full fine-tuning"
options = { method = "full" }
rates = [2.5e-5, 5e-5, 1e-4, 2e-4]
study = { gpu_bytes = 32e9, cer = 0.11459, cer_steps = 100 }

[[row]]
name = "lora"
label = "LoRA"
options = { method = "lora", target-modules = ["all-linear"] }
rates = [2.5e-4, 5e-4, 1e-3, 2e-3]
study = { gpu_bytes = 11e9 }

[[row]]
name = "int8"
label = "LoRA on 8 bits"
options = { method = "lora", target-modules = ["all-linear"], base = "int8" }
rates = [2.5e-4, 5e-4, 1e-3, 2e-3]
study = { gpu_bytes = 6.9e9 }

[[row]]
name = "nf4"
label = "LoRA on 4 bits"
options = { method = "lora", target-modules = ["all-linear"], base = "nf4" }
rates = [2.5e-4, 5e-4, 1e-3, 2e-3]
study = { gpu_bytes = 5.7e9, cer = 0.17571, cer_steps = 100 }

[[row]]
name = "lora-qv"
label = "LoRA, q and v alone"
options = { method = "lora", target-modules = ["q_proj", "v_proj"] }
rates = [5e-4, 1e-3, 2e-3, 4e-3]

[[row]]
name = "nf4-qv"
label = "LoRA, q and v alone, on 4 bits"
options = { method = "lora", target-modules = ["q_proj", "v_proj"], base = "nf4" }
rates = [5e-4, 1e-3, 2e-3, 4e-3]

[[row]]
name = "nf4-r8"
label = "LoRA of rank 8 on 4 bits"
options = { method = "lora", target-modules = ["all-linear"], base = "nf4", lora-r = 8, lora-alpha = 16 }
rates = [5e-4, 1e-3, 2e-3, 4e-3]

[[cells]]  # the cells that decide, with more seeds and on further splits, if the data has any (further-splits = [..])
arm = "tuned"
rows = ["full", "lora", "int8", "nf4"]
steps = [100]
seeds = [0, 1, 2, 3, 4]
further-splits = true

[[cells]]  # the tuned models, quantised afterwards
arm = "tuned"
rows = ["full", "lora"]
steps = [100]
seeds = [0]
then-quantize = ["int8", "nf4"]

[[cells]]
arm = "tuned"
rows = ["full", "lora", "int8", "nf4"]
steps = [25, 50, 200, 400]
seeds = [0]

[[cells]]
arm = "tuned"
rows = ["lora-qv", "nf4-qv", "nf4-r8"]
steps = [100]
seeds = [0]

[[cells]]
arm = "one-rate"
rows = ["full", "lora", "int8", "nf4"]
steps = [25, 50, 100, 200, 400]
seeds = [0]
learning-rate = 1e-5
)";

constexpr const char* kSmoke = R"(# A small grid of everything that a large one has: does it run here?

title = "Smoke"
choose-split = "dev"
report-split = "eval_clean"
baseline = "full"
baseline-steps = 4

[tune]
steps = 4

[train]
per-device-train-batch-size = 2
max-eval-samples = 1

[evaluate]
max-new-tokens = 20
max-eval-samples = 4

[[row]]
name = "full"
label = "full fine-tuning"
options = { method = "full" }
rates = [1e-5, 1e-4]

[[row]]
name = "nf4"
label = "LoRA on 4 bits"
options = { base = "nf4" }
rates = [1e-3, 2e-3]

[[cells]]
arm = "tuned"
rows = ["full", "nf4"]
steps = [2, 4]
seeds = [0]
)";

}  // namespace

const std::vector<BuiltInGrid>& built_in_grids() {
  static const std::vector<BuiltInGrid> kGrids{{"study", kStudy}, {"smoke", kSmoke}};
  return kGrids;
}

const BuiltInGrid* find_built_in(const std::string& name) {
  for (const BuiltInGrid& g : built_in_grids())
    if (name == g.name) return &g;
  return nullptr;
}

}  // namespace sori
