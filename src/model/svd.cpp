#define EIGEN_DONT_PARALLELIZE  // sums must not depend on the number of threads
#include "model/svd.h"

#include <Eigen/Eigenvalues>
#include <Eigen/QR>

namespace sori {
namespace {

std::int64_t directions(std::int64_t rank, std::int64_t out, std::int64_t in) {
  return std::min({rank + kOversampling, out, in});
}

// Our rows are Eigen's columns.
Eigen::Map<Eigen::MatrixXf> columns(Mat m) { return {m.row<float>(0), m.cols, m.rows}; }

void orthonormalise(Mat rows) {
  auto q = columns(rows);
  const Eigen::HouseholderQR<Eigen::MatrixXf> qr(q);
  q = qr.householderQ() * Eigen::MatrixXf::Identity(q.rows(), q.cols());
}

}  // namespace

SvdMemory carve_svd(Carver& c, const SvdLimits& l) {
  const std::int64_t k = l.rank + kOversampling;
  SvdMemory m;
  m.left = c.array<float>(static_cast<std::size_t>(k * l.out));
  m.right = c.array<float>(static_cast<std::size_t>(k * l.in));
  return m;
}

Svd truncated_svd(Backend& backend, const BaseWeight& w, std::int64_t rank, int iterations, const Rng& rng,
                  const SvdMemory& memory) {
  const std::int64_t out = rows_of(w), in = cols_of(w), k = directions(rank, out, in);
  require(backend.compute() == DType::kF32 && rank <= k, "singular vectors are f32, and no more than the weight has");
  const Mat left(memory.left.data(), k, out), right(memory.right.data(), k, in);
  for (std::int64_t i = 0; i < right.size(); ++i)
    right.row<float>(0)[i] = static_cast<float>(rng.normal(static_cast<std::uint64_t>(i)));
  for (int i = 0; i < iterations; ++i) {
    backend.linear(right, w, {}, left);
    backend.linear_backward(left, w, /*add=*/false, right);
    orthonormalise(right);
  }
  // w is right's span now, to within the smaller values: w = left^T right, whose triplets are those of left.
  backend.linear(right, w, {}, left);
  auto u = columns(left), v = columns(right);
  const Eigen::MatrixXd numbers = u.cast<double>();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(numbers.transpose() * numbers);
  const Eigen::MatrixXf turn = eigen.eigenvectors().rowwise().reverse().cast<float>();
  u = (u * turn).eval();
  v = (v * turn).eval();
  Svd svd{.values = {}, .left = left.top(rank), .right = right.top(rank)};
  for (std::int64_t i = 0; i < rank; ++i) {
    const double value = u.col(i).cast<double>().norm();
    svd.values.push_back(value);
    const bool zero = value <= svd.values[0] * std::numeric_limits<float>::epsilon();
    u.col(i) *= zero ? 0.0F : static_cast<float>(1 / value);
  }
  return svd;
}

}  // namespace sori
