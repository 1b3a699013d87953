// A model as it is found: its tensors under Hugging Face's names, ready to be written. Every tensor of the source is
// accounted for: missing, unknown or misshapen ones are one Error.
#pragma once

#include <memory>

#include "export/model_writer.h"
#include "model/config.h"

namespace sori {

struct SourceModel {
  std::unique_ptr<TensorFile> file;  // the tensors' bytes live here
  WhisperConfig config;
  Json lists = Json::object();     // suppress_tokens, begin_suppress_tokens, alignment_heads: those the source states
  std::vector<OutTensor> tensors;  // in tensor_list()'s order
  std::vector<std::string> notes;  // what was dropped or changed, one line each
};

// The Hugging Face layout. Types stay; proj_out.weight is dropped when it equals the embedding.
SourceModel open_hf_model(const Path& folder);

// A model as a quantised base decodes it: numbers of `base` in the types of `folder`, which is the unquantised model
// that it was made from, or the quantised one itself. The base must outlive the result.
SourceModel open_decoded_model(const Path& folder, const TensorFile& base);

// A CTranslate2 folder (WhisperSpec, revision 3). f32, f16 and bf16 stay, a file with int8 weights becomes f32
// throughout.
SourceModel open_ct2_model(const Path& folder);

}  // namespace sori
