// How long operations took on this machine, and what that says of work that was not measured.
#pragma once

#include <optional>

#include "base/json.h"
#include "plan/work.h"

namespace sori {

// Rows as products see them: batches are rounded up to a multiple of 64, decoding's few rows are not.
std::int64_t product_rows(std::int64_t rows);

class MachineRates {
 public:
  // Replaces what is known of the same operation. seconds: positive and finite.
  void add(Compute compute, const Operation& o, double seconds);
  // Of what lies between products and attention (norms, casts, dropout, reading and writing), by number that an
  // operation writes; and of one optimizer update, by number that learns.
  void set_between(Compute compute, double seconds_per_number) { between_[compute] = seconds_per_number; }
  void set_update(double seconds_per_number) { update_ = seconds_per_number; }

  bool empty() const { return measured_.empty(); }
  // As measured.
  std::optional<double> measured(Compute compute, const Operation& o) const;
  // An estimate: a product takes as long for each number of its weight as the measured one of the nearest [out, in],
  // between the two nearest numbers of rows; attention has the rate of the nearest. Nothing where no operation of this
  // kind and compute type was measured.
  std::optional<double> seconds(Compute compute, const Operation& o) const;
  // All operations, and what lies between them.
  std::optional<double> seconds(Compute compute, const Work& work) const;
  double update_seconds(double numbers) const { return update_ * numbers; }
  // FLOP a second of the best attention that was measured; 0 without one.
  double best_attention(Compute compute) const;

  Json to_json() const;
  // Error kInput names `where`.
  static MachineRates from_json(const Json& json, const std::string& where);

 private:
  struct Point {
    Operation operation;
    double seconds = 0;
  };
  std::vector<Point> of_kind(Compute compute, const Operation& o) const;

  std::map<Compute, std::map<Operation, double>> measured_;
  std::map<Compute, double> between_;
  double update_ = 0;
};

// Least seconds that the useful operations of a step could take: each product at its measured rate, attention at the
// best that any attention reached. The ceiling is the useful FLOP over this. Every operation has been measured.
double ceiling_seconds(const MachineRates& rates, Compute compute, const Work& work);

// What is measured for an operation: its rows rounded as products see them, and not more than rates need.
Operation measured_as(Operation o);
inline constexpr std::int64_t kManyOutputs = 8192;  // only the vocabulary has more

}  // namespace sori
