// Examples as one forward takes them.
#pragma once

#include <span>

#include "data/example.h"
#include "model/batch.h"

namespace sori {

// Makes a batch of these examples and puts their features into mel [Nf, M] f32, which has room for all of them; rows
// behind the last example are zeroed. `items` is working memory.
void lay_out(std::span<const Example> examples, std::vector<BatchItem>& items, Batch& batch, Mat mel);

// The rows of a side that belong to no utterance.
void zero_behind(const Rows& rows, Mat m);

}  // namespace sori
