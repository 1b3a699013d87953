#include "formats/pickle.h"

#include "base/error.h"

namespace sori {
namespace {

bool has_pickle_name(const Path& path) {
  const std::string extension = path.extension().string();
  return extension == ".pt" || extension == ".pth" || extension == ".ckpt" ||
         (extension == ".bin" && path.filename() != "model.bin");  // model.bin is CTranslate2's
}

}  // namespace

bool looks_like_pickle(std::span<const std::byte> bytes) {
  const auto at = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<int>(bytes[i]) : -1; };
  const bool zip = at(0) == 'P' && at(1) == 'K' && at(2) == 3 && at(3) == 4;
  return zip || (at(0) == 0x80 && at(1) >= 2 && at(1) <= 5);
}

void refuse_pickle(const Path& path) {
  const std::string name = path.filename().string();
  throw Error{ErrorKind::kInput, "is a Python pickle, which may run any program when it is opened", path.string(),
              fmt::format("where you trust it, convert it with: python -c \"import torch, safetensors.torch as s; "
                          "s.save_file({{k: v.contiguous().clone() for k, v in torch.load('{}', weights_only=True)"
                          ".items()}}, 'model.safetensors', {{'format': 'pt'}})\"",
                          name)};
}

void refuse_pickles_in(const Path& folder) {
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code)) {
    if (has_pickle_name(folder)) refuse_pickle(folder);
    return;
  }
  for (const Path& file : list_files(folder, false))
    if (has_pickle_name(file) && file != "training_args.bin") refuse_pickle(folder / file);
}

}  // namespace sori
