// A named tensor of the model, and the walk that lists each of them once: loading, saving, counting, clipping,
// decaying, printing and planning all take the same walk.
#pragma once

#include <string>
#include <vector>

#include "ops/backend.h"

namespace sori {

struct Parameter {
  std::vector<std::int64_t> shape;  // as in the file; empty: this layer has no such tensor
  bool trainable = false;
  DType type = DType::kF32;      // of value, where trainable: f32, or bf16
  DType moments = DType::kF32;   // of what the optimizer keeps: f32, or u8 codes
  bool shares_gradient = false;  // with other matrices: it is applied and zeroed before the next one is begun
  std::int64_t frozen_rows = 0, frozen_cols = 0;  // the last ones of a matrix that learns: what stays of it
  BaseWeight weight;                              // what operations read, as a matrix [rows, cols]
  Mat value;                                      // of `type`, writable; only where trainable
  Mat gradient;                                   // f32, of learning()'s shape; only where trainable

  bool present() const { return !shape.empty(); }
  // A vector [n] is the matrix [1, n]; a convolution [out, in, 3] is [out, in * 3].
  std::int64_t rows() const { return shape.size() == 1 ? 1 : shape[0]; }
  std::int64_t cols() const {
    std::int64_t n = 1;
    for (std::size_t i = shape.size() == 1 ? 0 : 1; i < shape.size(); ++i) n *= shape[i];
    return n;
  }
  std::int64_t size() const { return present() ? rows() * cols() : 0; }
  // The part of value that learns: all of it but the frozen rows and columns.
  Mat learning() const { return value.row_range(0, learning_rows()).col_range(0, learning_cols()); }
  std::vector<std::int64_t> learning_shape() const {
    std::vector<std::int64_t> s = shape;
    if (s.size() > 1) s[0] -= frozen_rows, s[1] -= frozen_cols;
    return s;
  }
  std::int64_t learning_rows() const { return rows() - frozen_rows; }
  std::int64_t learning_cols() const { return cols() - frozen_cols; }
  std::int64_t learning_size() const { return trainable ? learning_rows() * learning_cols() : 0; }
  // The numbers of a vector (bias, norm), which are f32 whatever the file holds; nullptr where absent.
  const float* vector() const { return present() ? std::get<Dense<float>>(weight).data : nullptr; }
  float* gradient_vector() const { return gradient.empty() ? nullptr : gradient.row<float>(0); }
};

struct Linear;

// Calls f(name, parameter) for each parameter below a module, names as Hugging Face spells them; with a second
// function, g(name, linear) for each linear layer before its parameters.
template <class F, class G>
class Walk {
 public:
  Walk(F& f, G& g, std::string prefix) : f_(f), g_(g), prefix_(std::move(prefix)) {}

  void operator()(const std::string& name, Parameter& p) {
    if (p.present()) f_(prefix_ + name, p);
  }
  template <class Module>
  void operator()(const std::string& name, Module& module) {
    if constexpr (std::is_same_v<Module, Linear>) g_(prefix_ + name, module);
    Walk inner(f_, g_, prefix_ + name + ".");
    module.visit(inner);
  }
  template <class Module>
  void operator()(const std::string& name, std::vector<Module>& modules) {
    for (std::size_t i = 0; i < modules.size(); ++i) (*this)(name + "." + std::to_string(i), modules[i]);
  }

 private:
  F& f_;
  G& g_;
  std::string prefix_;
};

template <class Module, class F>
void for_each_parameter(Module& root, F&& f) {
  auto ignore = [](const std::string&, Linear&) {};
  Walk walk(f, ignore, "");
  root.visit(walk);
}

template <class Module, class G>
void for_each_linear(Module& root, G&& g) {
  auto ignore = [](const std::string&, Parameter&) {};
  Walk walk(ignore, g, "");
  root.visit(walk);
}

}  // namespace sori
