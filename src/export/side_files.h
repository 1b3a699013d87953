// The small files of a Hugging Face model folder beside its weights: copied where the source has them, otherwise
// derived from the tokenizer, the sizes and the lists that the source states. Both generations of names are written:
// transformers 5 reads processor_config.json, older tools preprocessor_config.json, vocab.json, merges.txt and
// added_tokens.json.
#pragma once

#include <map>

#include "base/json.h"
#include "formats/tensor_file.h"
#include "model/config.h"

namespace sori {

// What the side files need of tokenizer.json.
class TokenTable {
 public:
  explicit TokenTable(const Path& tokenizer_json);  // Error kInput when it is no byte-level BPE of unique ids

  std::optional<int> find(const std::string& token) const;
  int get(const std::string& token) const;  // Error kInput when absent
  int largest_id() const { return by_id_.rbegin()->first; }
  SpecialIds special_ids() const;
  std::map<std::string, int> languages() const;  // "<|ko|>" -> id: what lies between the start and the task tokens

  std::string vocab_json() const;  // in the order of ids
  std::string merges_txt() const;
  Json added_tokens() const;                        // those that are not in vocab.json
  std::vector<std::string> special_tokens() const;  // in the order of ids
  const std::string& where() const { return where_; }

 private:
  void add(const std::string& token, int id);

  std::string where_;
  std::vector<std::string> merges_;
  std::map<std::string, int> vocab_, added_;
  std::map<int, std::string> by_id_;
  std::vector<int> special_;
};

// generation_config.json: what transformers' generate(language=, task=) needs. `lists` may hold suppress_tokens,
// begin_suppress_tokens, alignment_heads and lang_ids; ids outside the model are Error kInput.
Json generation_config(const WhisperConfig& config, const TokenTable& tokens, const Json& lists);

Json preprocessor_config(int mel_bins);

struct SideFile {
  std::string name, content;
  bool copied = false;  // from the source; otherwise derived
};
struct SideFiles {
  std::vector<std::string> copied, derived;  // names
};

// Which of the source's own files describe the model that is written; the others are derived.
enum class Copied { kTokenizer, kTokenizerAndAudio, kAll };

// What a folder gets. tokenizer.json must be in `source`; what is neither copied nor derivable (normalizer.json) is
// left out.
std::vector<SideFile> side_files(const Path& source, const WhisperConfig& config, DType dtype, const Json& lists,
                                 Copied copied);
// Writes them into `target`.
SideFiles write_side_files(const Path& source, const Path& target, const WhisperConfig& config, DType dtype,
                           const Json& lists, Copied copied);

// What copied files must say differently of an unquantised model: its type, and the language and task that `metadata`
// states.
void adjust_configs(const Path& folder, const std::optional<DType>& type, const Metadata& metadata);

}  // namespace sori
