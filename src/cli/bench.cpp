// sori bench: what this machine can do, how much of it the operations and whole steps of training reach, and the rates
// from which sori plan tells times.
#include <set>

#include "base/energy.h"
#include "base/process_memory.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/machine_file.h"
#include "cli/model_folder.h"
#include "export/quantise.h"
#include "plan/choose.h"
#include "plan/measure.h"
#include "plan/shapes.h"
#include "train/options.h"

namespace sori {
namespace {

constexpr double kWindowSeconds = 30, kFramesPerSecond = 100;
constexpr std::int64_t kFew = 8, kTile = 64;        // rows that rates are measured at, besides the step's own
constexpr std::int64_t kUpdateNumbers = 4'000'000;  // more than caches hold
constexpr const char* kAssumed = "bf16";            // of a model that is measured by its size alone
constexpr const char* kBoth = "both";

struct Options {
  TrainOptions train;
  std::string size, compute = kBoth;
  std::int64_t batch = 1, label_tokens = 32, steps = 3;
  double audio_seconds = kWindowSeconds;

  void describe(OptionTable& t) {
    t.choice("size", size,
             "random weights of this size's exact shape: no file is needed; base, where no model is named",
             size_names());
    t.path("model", train.model, "random weights of this model folder's shape and format instead");
    t.choice("method", train.method, "adapters on a frozen model, or the whole model", {"lora", "full"});
    t.integer("lora-r", train.lora_r, "rank R of the adapters", 1, 1024);
    t.list("target-modules", train.target_modules, "layers that get an adapter");
    t.choice("target-scope", train.target_scope, "half of the model that gets adapters",
             {"both", "encoder", "decoder"});
    t.choice("base", train.base, "format of the frozen weights; model: as in the folder, or bf16", base_choices());
    t.choice("compute", compute, "type of what enters products; both: f32 and bf16; int8_bf16: see sori train",
             compute_choices(kBoth));
    t.integer("batch", batch, "windows of a step", 1, 4096).also("train-batch-size");
    t.number("audio-seconds", audio_seconds, "length of each window", 0.1, kWindowSeconds).unit("s");
    t.integer("label-tokens", label_tokens, "tokens of each transcript, with its prompt", 1, 448);
    t.flag("gradient-checkpointing", train.gradient_checkpointing, "keep layer inputs only and compute the rest again")
        .also("recompute");
    t.integer("steps", steps, "measured steps of each type, after one that warms up; the median counts", 1, 1000);
    t.text("ram", train.ram, "resident memory that may be taken, as 6G; empty: what this machine has free");
  }
};

struct MeasuredStep {
  Compute compute;
  Work work;
  RunChoice choice;
  double seconds = 0;
  std::uint64_t peak_resident = 0;
  std::optional<double> joules{};  // of a step; nothing where the system does not say
};

class Bench {
 public:
  Bench(const Options& o, Log& log)
      : o_(o), log_(log), machine_(this_machine()), file_(machine_file(machine_)), ram_(memory_limit(o.train.ram)) {
    open();
    old_rates();
  }

  void go() {
    for (const Compute compute : kComputes)
      if (o_.compute == kBoth ? !compute.int8 : o_.compute == name_of(compute)) plan_step(compute);
    for (MeasuredStep& s : steps_) measure_operations(s);
    rates_.set_update(update_seconds(std::min(kUpdateNumbers, all_numbers())));
    for (MeasuredStep& s : steps_) measure_step(s);
    write_rates(file_, machine_, rates_);
  }

  Json json() {
    Json steps = Json::array(), operations = Json::array();
    for (const MeasuredStep& s : steps_) {
      steps.push_back({{"compute", name_of(s.compute)},
                       {"way", s.choice.name()},
                       {"work", s.work.useful()},
                       {"recomputed", s.work.recompute()},
                       {"seconds_per_step", s.seconds},
                       {"share_of_ceiling", share(s)},
                       {"ceiling_flops", ceiling(s)},
                       {"peak_resident_bytes", s.peak_resident},
                       {"joules_per_step", s.joules ? Json(*s.joules) : Json()}});
      for (const auto& [o, times] : s.work.operations)
        operations.push_back({{"compute", name_of(s.compute)},
                              {"kind", name_of(o.kind)},
                              {"rows", o.rows},
                              {"in", o.in},
                              {"out", o.out},
                              {"format", o.format},
                              {"times", times.all()},
                              {"work", o.flop()},
                              {"seconds", seconds(s, o)},
                              {"share_of_ceiling", o.flop() / seconds(s, o) / ceiling(s)}});
    }
    return {{"machine", machine_.text()},
            {"sori", machine_.version},
            {"size", name_},
            {"method", o_.train.method},
            {"base", base_},
            {"batch", o_.batch},
            {"audio_seconds", o_.audio_seconds},
            {"label_tokens", o_.label_tokens},
            {"steps", steps},
            {"operations", operations},
            {"rates_file", printable(file_.string())}};
  }

  std::string text() {
    std::string text = fmt::format("{}\n{}, {}, base {}, steps of {} windows of {:g} s and {} tokens\n",
                                   machine_.text(), name_, o_.train.method == "full" ? "full fine-tuning" : "LoRA",
                                   base_, o_.batch, static_cast<double>(frames()) / kFramesPerSecond, tokens());
    for (const MeasuredStep& s : steps_) text += table(s);
    return text + fmt::format(
                      "\nceiling: what a step would reach if nothing but its products and attention took time, each at "
                      "the best rate\nmeasured of its shape, attention at its best of any\nrates kept in {}: sori plan "
                      "now tells times\n",
                      printable(file_.string()));
  }

 private:
  void open() {
    if (!o_.train.model.empty() && !o_.size.empty())
      throw Error{ErrorKind::kUsage, "only one of --model and --size can be measured", "", "leave one of them away"};
    if (o_.train.model.empty()) {
      name_ = o_.size.empty() ? "base" : o_.size, base_ = kAssumed;
      model_ = make_whisper(size_config(name_));
    } else {
      const ModelFolder folder = open_model(o_.train.model);
      check_base(folder, o_.train.base);
      name_ = o_.train.model, base_ = folder.base;
      if (is_mixed(base_))
        throw Error{ErrorKind::kUsage, "mixes formats, and a bench measures one at a time", name_,
                    "name the unquantised model, and a format with --base"};
      model_ = make_whisper(folder.model.config);
    }
    if (o_.train.method == "full")
      train_everything(model_);
    else
      add_lora(model_, o_.train.lora());
    const FileFormat* asked = find_file_format(o_.train.base);
    if (asked && o_.train.method == "full")
      throw Error{ErrorKind::kUsage, "cannot learn all of a quantised base", "--base", "use --method lora"};
    if (asked) base_ = o_.train.base;
    const FileFormat* format = find_file_format(base_);
    assume_base(model_, base_, format && quantisation_of(*format).int8_embedding);
    if (o_.compute == name_of(kInt8Compute)) require_int8_products(base_);
  }

  void old_rates() {
    try {
      if (auto rates = read_rates(file_, machine_)) rates_ = std::move(*rates);
    } catch (const Error& e) {
      log_.line(fmt::format("measured anew: {}", e.what()));
    }
  }

  std::int64_t frames() const {
    const std::int64_t window = 2 * model_.config.max_source_positions;
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(o_.audio_seconds * kFramesPerSecond), 1, window);
  }
  std::int64_t tokens() const { return std::min<std::int64_t>(o_.label_tokens, model_.config.max_target_positions); }
  StepShape shape(Keep keep) const { return {o_.batch, (frames() + 1) / 2, tokens(), keep}; }

  std::int64_t all_numbers() {
    std::int64_t numbers = 0;
    for_each_parameter(model_, [&](const std::string&, Parameter& p) { numbers += p.size(); });
    return numbers;
  }

  // The way to run that sori train would take, but for a base that passes through memory: it has no file here.
  void plan_step(Compute compute) {
    RunRequest r;
    r.compute = compute, r.batch = o_.batch, r.micro_batch = o_.batch;
    r.frames = frames(), r.tokens = tokens(), r.ram = ram_;
    if (o_.train.gradient_checkpointing) r.keep = Keep::kInputs;
    RunChoices choices = choose_run(model_, r);
    std::erase_if(choices.all, [](const RunChoice& c) { return c.limits.drop_layers; });
    const auto fits = std::ranges::find_if(choices.all, [](const RunChoice& c) { return c.fits; });
    if (fits == choices.all.end()) throw nothing_fits(model_, r, choices);
    const std::uint64_t operands = OperationTimer::bytes(compute, operations(shape(fits->keep)));
    if (operands > ram_)
      throw Error{ErrorKind::kMemory,
                  fmt::format("measuring its operations needs {}, and the limit is {}", format_bytes(operands),
                              format_bytes(ram_)),
                  "", fmt::format("the nearest that fits is --ram {}M", (operands >> 20) + 1)};
    steps_.push_back({compute, step_work(model_, shape(fits->keep)), *fits});
  }

  // Of the step, of evaluations, and of the largest square weight in each format, at rows from a few to the step's own:
  // what rates of other runs are told from.
  std::vector<Operation> operations(const StepShape& shape) {
    std::set<Operation> all;
    const auto at_rows = [&](Operation o) {
      all.insert(measured_as(o));
      if (o.is_attention()) return;
      for (const std::int64_t rows : {kFew, kTile}) {
        if (rows == kFew && o.kind != OperationKind::kForward) continue;
        o.rows = rows;
        all.insert(o);
      }
    };
    for (const Work& work : {step_work(model_, shape), token_work(model_, kFew, shape.states, shape.tokens)})
      for (const auto& [o, times] : work.operations) at_rows(o);
    const std::int64_t width = model_.config.d_model, rows = shape.utterances * shape.states;
    std::vector<std::string> formats = file_format_names();
    for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) formats.emplace_back(name_of(type));
    for (const std::string& format : formats)
      for (const OperationKind kind : {OperationKind::kForward, OperationKind::kInputGradient})
        at_rows({kind, rows, width, width, format});
    at_rows({OperationKind::kWeightGradient, rows, width, width});
    return {all.begin(), all.end()};
  }

  void measure_operations(const MeasuredStep& s) {
    const std::vector<Operation> all = operations(shape(s.choice.keep));
    OperationTimer timer(s.compute, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      rates_.add(s.compute, all[i], timer.seconds(all[i]));
      log_.progress(fmt::format("operations in {}", name_of(s.compute)), static_cast<std::int64_t>(i + 1),
                    std::ssize(all));
    }
  }

  void measure_step(MeasuredStep& s) {
    give_back_free_heap();
    reset_peak_resident();
    StepTimer timer(model_, s.compute, s.choice.limits);
    timer.seconds();
    const EnergyMeter energy;
    std::vector<double> seconds;
    for (std::int64_t i = 0; i < o_.steps; ++i) {
      seconds.push_back(timer.seconds());
      log_.progress(fmt::format("steps in {}", name_of(s.compute)), i + 1, o_.steps);
    }
    s.joules = energy.joules();
    if (s.joules) *s.joules /= static_cast<double>(o_.steps);
    std::ranges::sort(seconds);
    s.seconds = seconds[seconds.size() / 2];
    s.peak_resident = peak_resident_bytes();
    double written = 0;
    for (const auto& [o, times] : s.work.operations) written += static_cast<double>(times.all()) * o.written();
    rates_.set_between(s.compute, std::max(1e-15, rest(s) / written));
  }

  double seconds(const MeasuredStep& s, const Operation& o) const { return *rates_.measured(s.compute, o); }
  double ideal(const MeasuredStep& s) const { return ceiling_seconds(rates_, s.compute, s.work); }
  double ceiling(const MeasuredStep& s) const { return s.work.useful() / ideal(s); }
  double share(const MeasuredStep& s) const { return ideal(s) / s.seconds; }
  double update(const MeasuredStep&) {
    double numbers = 0;
    for_each_parameter(model_,
                       [&](const std::string&, Parameter& p) { numbers += static_cast<double>(p.learning_size()); });
    return rates_.update_seconds(numbers);
  }
  // What a step takes besides its operations and the update.
  double rest(const MeasuredStep& s) {
    double sum = update(s);
    for (const auto& [o, times] : s.work.operations) sum += static_cast<double>(times.all()) * seconds(s, o);
    return s.seconds - sum;
  }

  std::string table(const MeasuredStep& s) {
    std::string text = fmt::format("\n{:<20}{:>7}{:>7}{:>7}  {:<6}{:>6}{:>10}{:>10}{:>10}{:>10}\n",
                                   "products in " + std::string(name_of(s.compute)), "rows", "in", "out", "weight",
                                   "times", "GFLOP", "ms", "GFLOP/s", "ceiling");
    const auto row = [&](const std::string& name, double flop, double time) {
      return fmt::format("{}{:>10.2f}{:>10.2f}{:>10.1f}{:>8.0f} %\n", name, flop / 1e9, time * 1e3, flop / time / 1e9,
                         100 * flop / time / ceiling(s));
    };
    for (const auto& [o, times] : s.work.operations)
      text += row(
          fmt::format("{:<20}{:>7}{:>7}{:>7}  {:<6}{:>6}", name_of(o.kind), o.rows, o.in, o.out, o.format, times.all()),
          o.flop(), seconds(s, o));
    text += row(fmt::format("{:<53}", "a step"), s.work.useful(), s.seconds);
    return text + fmt::format("ceiling {:.1f} GFLOP/s; {}; between operations {:.1f} ms; peak resident {}; energy {}\n",
                              ceiling(s) / 1e9, s.choice.name(), 1e3 * rest(s), format_bytes(s.peak_resident),
                              s.joules ? fmt::format("{:.1f} J a step", *s.joules) : "not available");
  }

  const Options& o_;
  Log& log_;
  Machine machine_;
  Path file_;
  std::uint64_t ram_;
  Whisper model_;
  std::string name_, base_;
  MachineRates rates_;
  std::vector<MeasuredStep> steps_;
};

}  // namespace

int run_bench(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  Bench bench(o, log);
  bench.go();
  print_result(bench.text());
  write_json(json_path, bench.json());
  return 0;
}

}  // namespace sori
