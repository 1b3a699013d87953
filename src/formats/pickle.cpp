#include "formats/pickle.h"

#include "base/error.h"

namespace sori {
namespace {

bool has_pickle_name(const Path& path) {
  const std::string extension = path.extension().string();
  return extension == ".pt" || extension == ".pth" || extension == ".ckpt" ||
         (extension == ".bin" && path.filename() != "model.bin");  // model.bin is CTranslate2's
}

// One word to every POSIX shell, whatever the name is.
std::string shell_word(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

// The command that makes safetensors of it, on a machine that has the tools.
std::string conversion(const Path& path) {
  const std::string name = path.filename().string();
  if (path.extension() == ".pt")  // OpenAI's: other tensor names, and no config.json or tokenizer.json beside it
    return fmt::format(
        "in a checkout of transformers 4: python src/transformers/models/whisper/convert_openai_to_hf.py "
        "--checkpoint_path={} --pytorch_dump_folder_path={} --convert_preprocessor=True",
        shell_word(name), shell_word(path.stem().string()));
  return "python -c \"import sys, torch, safetensors.torch as s; s.save_file({k: v.contiguous().clone() for k, v in "
         "torch.load(sys.argv[1], weights_only=True).items()}, 'model.safetensors', {'format': 'pt'})\" " +
         shell_word(name);
}

}  // namespace

bool looks_like_pickle(std::span<const std::byte> bytes) {
  const auto at = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<int>(bytes[i]) : -1; };
  const bool zip = at(0) == 'P' && at(1) == 'K' && at(2) == 3 && at(3) == 4;
  return zip || (at(0) == 0x80 && at(1) >= 2 && at(1) <= 5);
}

void refuse_pickle(const Path& path) {
  throw Error{ErrorKind::kInput, "is a Python pickle, which may run any program when it is opened", path.string(),
              "where you trust it, convert it with: " + conversion(path)};
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
