#include "data/order.h"

#include <numeric>

#include "base/error.h"
#include "base/rng.h"

namespace sori {

DataOrder::DataOrder(std::size_t utterances, std::uint64_t seed) : seed_(seed), order_(utterances) {
  require(utterances > 0 && utterances <= UINT32_MAX, "an order has something to order");
  shuffle(0);
}

std::size_t DataOrder::at(std::uint64_t position) {
  const std::uint64_t epoch = position / order_.size();
  if (epoch != epoch_) shuffle(epoch);
  return order_[position % order_.size()];
}

void DataOrder::shuffle(std::uint64_t epoch) {  // Fisher and Yates, from the end
  epoch_ = epoch;
  std::iota(order_.begin(), order_.end(), 0U);
  const Rng rng(seed_, Draw::kOrder, epoch);
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.below(i, i)]);
}

}  // namespace sori
