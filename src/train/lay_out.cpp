#include "train/lay_out.h"

#include "model/encoder.h"

namespace sori {

void zero_behind(const Rows& rows, Mat m) {
  const RowSpan last = rows.spans.back();
  set_zero(m.row_range(last.first + last.count, m.rows - last.first - last.count));
}

void lay_out(std::span<const Example> examples, std::vector<BatchItem>& items, Batch& batch, Mat mel) {
  items.clear();
  for (const Example& e : examples) items.push_back({e.sample, e.frames, e.input, e.target});
  batch.assign(items);
  const Mat used = mel.top(batch.frames.total);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const RowSpan rows = batch.frames.spans[i];
    std::memcpy(used.row<float>(rows.first), examples[i].mel.data(), examples[i].mel.size() * sizeof(float));
  }
  zero_behind(batch.frames, used);
}

}  // namespace sori
