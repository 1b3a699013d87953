// Pickles (.pt, .pth, .bin, .ckpt) run any program they like when they are opened, so they are refused, always.
#pragma once

#include <cstddef>
#include <span>

#include "base/file.h"

namespace sori {

// ZIP, or a bare pickle of protocol 2 to 5, by its first bytes.
bool looks_like_pickle(std::span<const std::byte> bytes);

// Error kInput with the line that converts the file elsewhere.
[[noreturn]] void refuse_pickle(const Path& path);

// Refuses a folder (or a file) that holds its weights as a pickle.
void refuse_pickles_in(const Path& folder);

}  // namespace sori
