#include "export/import.h"

#include "base/error.h"
#include "export/source_model.h"
#include "formats/pickle.h"

namespace sori {
namespace {

bool is_there(const Path& path) {
  std::error_code code;
  return std::filesystem::exists(path, code);
}

void require_folder(const Path& source) {
  std::error_code code;
  if (std::filesystem::is_directory(source, code)) return;
  refuse_pickles_in(source);
  throw Error{ErrorKind::kInput, "is no folder", source.string(),
              "name a model folder: safetensors with config.json, or CTranslate2's model.bin"};
}

}  // namespace

ImportReport import_model(const Path& source, const Path& target, const ImportOptions& options) {
  require_folder(source);
  AtomicFolder folder(target, existing_model(target, options.overwrite, {source}));
  const bool ct2 = is_there(source / "model.bin") && !is_there(source / "model.safetensors");
  SourceModel model = ct2 ? open_ct2_model(source) : open_hf_model(source);

  ImportReport report;
  report.format = ct2 ? "CTranslate2" : "Hugging Face";
  report.config = model.config;
  report.type = embedding_type(model.tensors);
  // The side files first: what is wrong with them is found before gigabytes are written.
  report.files = write_side_files(source, folder.path(), model.config, report.type, model.lists,
                                  ct2 ? Copied::kTokenizerAndAudio : Copied::kAll);
  report.bytes = write_tensors(folder.path(), model.tensors, options.progress);
  for (const OutTensor& t : model.tensors) report.parameters += element_count(t.info.shape);
  report.notes = std::move(model.notes);
  folder.commit();
  return report;
}

}  // namespace sori
