#include "plan/rates.h"

namespace sori {
namespace {

constexpr std::int64_t kMostRows = 1536;       // beyond, products are no faster
constexpr std::int64_t kRowsOfMany = 256;      // of the vocabulary, whose logits would be large
constexpr std::int64_t kFewRows = 16;          // up to here rows are not rounded (decoding)
constexpr std::int64_t kMostSize = 1LL << 32;  // of a shape in a file
constexpr OperationKind kKinds[] = {OperationKind::kForward, OperationKind::kInputGradient,
                                    OperationKind::kWeightGradient, OperationKind::kAttention,
                                    OperationKind::kAttentionBackward};

double log_ratio(std::int64_t a, std::int64_t b) {
  return std::abs(std::log(static_cast<double>(a) / static_cast<double>(b)));
}

double weight_size(const Operation& o) { return static_cast<double>(o.in) * static_cast<double>(o.out); }

// Seconds at `rows` between measured (rows, seconds): linear between two; a few rows cost what the fewest do, many
// cost in proportion.
double at_rows(const std::map<std::int64_t, double>& seconds, std::int64_t rows) {
  const auto above = seconds.lower_bound(rows);
  if (above == seconds.begin()) return above->second;
  const auto below = std::prev(above);
  if (above == seconds.end()) return below->second * static_cast<double>(rows) / static_cast<double>(below->first);
  const double share = static_cast<double>(rows - below->first) / static_cast<double>(above->first - below->first);
  return below->second + share * (above->second - below->second);
}

Compute compute_of(const std::string& name, const std::string& where) {
  if (const auto compute = find_compute(name)) return *compute;
  throw Error{ErrorKind::kInput, fmt::format("\"{}\" is no compute type", name), where, ""};
}

double positive(double x, const std::string& where) {
  if (!(x > 0) || !std::isfinite(x)) throw Error{ErrorKind::kInput, "a time is not a positive number", where, ""};
  return x;
}

std::int64_t size(const Json& row, const char* key, std::int64_t least, const std::string& where) {
  const auto n = json_get<std::int64_t>(row, key, where);
  if (n < least || n > kMostSize) throw Error{ErrorKind::kInput, fmt::format("{} {} is no size", key, n), where, ""};
  return n;
}

Operation operation_of(const Json& row, const std::string& where) {
  Operation o;
  const auto kind = json_get<std::string>(row, "kind", where);
  const auto* found = std::ranges::find_if(kKinds, [&](OperationKind k) { return name_of(k) == kind; });
  if (found == std::end(kKinds)) throw Error{ErrorKind::kInput, fmt::format("\"{}\" is no operation", kind), where, ""};
  o.kind = *found;
  o.rows = size(row, "rows", 1, where), o.in = size(row, "in", 1, where), o.out = size(row, "out", 1, where);
  o.format = json_get<std::string>(row, "format", where);
  o.utterances = size(row, "utterances", 1, where), o.heads = size(row, "heads", 0, where);
  o.causal = json_get<bool>(row, "causal", where);
  return o;
}

}  // namespace

std::int64_t product_rows(std::int64_t rows) { return rows <= kFewRows ? rows : round_rows(rows); }

Operation measured_as(Operation o) {
  if (!o.is_attention())
    o.rows = std::min(product_rows(o.rows), std::max(o.in, o.out) > kManyOutputs ? kRowsOfMany : kMostRows);
  return o;
}

void MachineRates::add(Compute compute, const Operation& o, double seconds) { measured_[compute][o] = seconds; }

std::optional<double> MachineRates::measured(Compute compute, const Operation& o) const {
  const auto type = measured_.find(compute);
  if (type == measured_.end()) return std::nullopt;
  const Operation as = measured_as(o);
  const auto found = type->second.find(as);
  if (found == type->second.end()) return std::nullopt;
  return found->second * static_cast<double>(product_rows(o.rows)) / static_cast<double>(product_rows(as.rows));
}

// Of the same format where there are any.
std::vector<MachineRates::Point> MachineRates::of_kind(Compute compute, const Operation& o) const {
  std::vector<Point> all, same;
  const auto type = measured_.find(compute);
  if (type == measured_.end()) return all;
  for (const auto& [operation, seconds] : type->second) {
    if (operation.kind != o.kind) continue;
    all.push_back({operation, seconds});
    if (operation.format == o.format) same.push_back({operation, seconds});
  }
  return same.empty() ? all : same;
}

std::optional<double> MachineRates::seconds(Compute compute, const Operation& o) const {
  const std::vector<Point> points = of_kind(compute, o);
  if (points.empty()) return std::nullopt;
  const auto distance = [&](const Point& p) {
    const Operation& m = p.operation;
    if (!o.is_attention()) return log_ratio(m.in, o.in) + log_ratio(m.out, o.out);
    return log_ratio(m.rows, o.rows) + log_ratio(m.in, o.in) + log_ratio(m.utterances, o.utterances) / 4;
  };
  const Operation& nearest = std::ranges::min_element(points, {}, distance)->operation;
  if (o.is_attention()) return o.flop() / nearest.flop() * *measured(compute, nearest);
  std::map<std::int64_t, double> seconds;
  for (const Point& p : points)
    if (p.operation.in == nearest.in && p.operation.out == nearest.out && p.operation.format == nearest.format)
      seconds[p.operation.rows] = p.seconds;
  return at_rows(seconds, product_rows(o.rows)) * weight_size(o) / weight_size(nearest);
}

std::optional<double> MachineRates::seconds(Compute compute, const Work& work) const {
  const auto found = between_.find(compute);
  const double between = found == between_.end() ? 0 : found->second;
  double sum = 0;
  for (const auto& [o, times] : work.operations) {
    const auto once = seconds(compute, o);
    if (!once) return std::nullopt;
    sum += static_cast<double>(times.all()) * (*once + between * o.written());
  }
  return sum;
}

double MachineRates::best_attention(Compute compute) const {
  double best = 0;
  if (const auto type = measured_.find(compute); type != measured_.end())
    for (const auto& [o, seconds] : type->second)
      if (o.is_attention()) best = std::max(best, o.flop() / seconds);
  return best;
}

Json MachineRates::to_json() const {
  Json operations = Json::array(), between = Json::object();
  for (const auto& [compute, points] : measured_)
    for (const auto& [o, seconds] : points)
      operations.push_back({{"compute", name_of(compute)},
                            {"kind", name_of(o.kind)},
                            {"rows", o.rows},
                            {"in", o.in},
                            {"out", o.out},
                            {"format", o.format},
                            {"utterances", o.utterances},
                            {"heads", o.heads},
                            {"causal", o.causal},
                            {"seconds", seconds}});
  for (const auto& [compute, seconds] : between_) between[std::string(name_of(compute))] = seconds;
  return {{"between_seconds_per_number", between}, {"update_seconds_per_number", update_}, {"operations", operations}};
}

MachineRates MachineRates::from_json(const Json& json, const std::string& where) {
  MachineRates rates;
  for (const auto& [name, seconds] : json_member(json, "between_seconds_per_number", where).items()) {
    if (!seconds.is_number()) throw Error{ErrorKind::kInput, "a time is not a number", where, ""};
    rates.set_between(compute_of(name, where), positive(seconds.get<double>(), where));
  }
  rates.set_update(positive(json_get<double>(json, "update_seconds_per_number", where), where));
  const Json& operations = json_member(json, "operations", where);
  if (!operations.is_array()) throw Error{ErrorKind::kInput, "operations are no list", where, ""};
  for (const Json& row : operations)
    rates.add(compute_of(json_get<std::string>(row, "compute", where), where), operation_of(row, where),
              positive(json_get<double>(row, "seconds", where), where));
  return rates;
}

double ceiling_seconds(const MachineRates& rates, Compute compute, const Work& work) {
  const double attention = rates.best_attention(compute);
  double sum = 0;
  for (const auto& [o, times] : work.operations) {
    const auto useful = static_cast<double>(times.useful());
    if (useful == 0) continue;
    if (o.is_attention()) {
      sum += useful * o.flop() / attention;
      continue;
    }
    const auto seconds = rates.measured(compute, o);
    require(seconds.has_value(), "a ceiling is of operations that were measured");
    // At the rate of the product as it was done, for the rows that are alive.
    sum += useful * *seconds * static_cast<double>(o.rows) / static_cast<double>(product_rows(o.rows));
  }
  return sum;
}

}  // namespace sori
