#include "export/import.h"

#include <gtest/gtest.h>

#include <limits>

#include "export/tiny_model.h"
#include "support/temporary.h"

namespace sori {
namespace {

using testing::ct2_content;
using testing::Ct2Content;
using testing::error_of;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryFolder;
using testing::Tensors;
using testing::tiny_config;
using testing::tiny_tensors;
using testing::write_ct2;
using testing::write_hf;

std::vector<float> values_of(const TensorView& t) {
  std::vector<float> values(static_cast<std::size_t>(element_count(t.shape)));
  read_floats(t, 0, values);
  return values;
}

// The folder's tensors are exactly the tiny model's, in the type given.
void expect_tiny(const Path& folder, DType type) {
  const auto file = open_safetensors_folder(folder);
  const Tensors wanted = tiny_tensors();
  EXPECT_EQ(file->tensors().size(), wanted.size());
  for (const auto& [name, t] : wanted) {
    ASSERT_NE(file->find(name), nullptr) << name;
    EXPECT_EQ(file->get(name).type, type) << name;
    EXPECT_EQ(file->get(name).shape, t.shape) << name;
    EXPECT_EQ(values_of(file->get(name)), t.values) << name;
  }
}

// What importing a folder made by `make` throws. Nothing may be left under the target's name.
template <class Make>
std::string refusal(Make make, ErrorKind kind = ErrorKind::kInput) {
  const TemporaryFolder folder;
  make(folder / "source");
  const auto error = error_of([&] { import_model(folder / "source", folder / "target"); });
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++entries;
  EXPECT_EQ(entries, std::filesystem::exists(folder / "source") ? (error ? 1U : 2U) : 0U)
      << "something half-written is left";
  if (!error) return "";
  EXPECT_EQ(error->kind(), kind) << error->what();
  return error->what();
}

std::string ct2_refusal(const std::function<void(Ct2Content&)>& change, ErrorKind kind = ErrorKind::kInput,
                        bool int8 = false) {
  return refusal(
      [&](const Path& folder) {
        Ct2Content content = ct2_content(DType::kF32, int8);
        change(content);
        write_ct2(folder, content);
      },
      kind);
}

std::string hf_refusal(const std::function<void(Tensors&)>& change, ErrorKind kind = ErrorKind::kInput) {
  return refusal(
      [&](const Path& folder) {
        Tensors tensors = tiny_tensors();
        change(tensors);
        write_hf(folder, DType::kF32, tensors);
      },
      kind);
}

constexpr const char* kLastNorm = "model.decoder.layer_norm.weight";

TEST(ImportHuggingFace, KeepsTypesAndNumbers) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    const TemporaryFolder folder;
    write_hf(folder / "source", type);
    const ImportReport report = import_model(folder / "source", folder / "target");
    EXPECT_EQ(report.format, "Hugging Face");
    EXPECT_EQ(report.type, type);
    EXPECT_EQ(report.config, tiny_config());
    EXPECT_EQ(report.bytes, static_cast<std::uint64_t>(report.parameters) * size_of(type));
    expect_tiny(folder / "target", type);
  }
}

TEST(ImportHuggingFace, ReadsShards) {
  const TemporaryFolder folder;
  write_hf(folder / "source", DType::kF32);
  {
    const SafetensorsFile whole(folder / "source/model.safetensors");
    SafetensorsFolderWriter writer(folder / "source", {whole.tensors().begin(), whole.tensors().end()}, {}, 4000);
    for (const TensorInfo& t : writer.order()) writer.write(t.name, whole.get(t.name).bytes);
    writer.commit();
  }
  std::filesystem::remove(folder / "source/model.safetensors");
  import_model(folder / "source", folder / "target");
  expect_tiny(folder / "target", DType::kF32);
}

TEST(ImportHuggingFace, CopiesWhatIsThereAndDerivesTheRest) {
  const TemporaryFolder folder;
  write_hf(folder / "source");
  write_file(folder / "source/generation_config.json", "{\"mine\": 1}");
  write_file(folder / "source/normalizer.json", "{}");
  const ImportReport report = import_model(folder / "source", folder / "target");
  EXPECT_EQ(report.files.copied,
            (std::vector<std::string>{"config.json", "generation_config.json", "tokenizer.json", "normalizer.json"}));
  EXPECT_EQ(read_file(folder / "target/generation_config.json"), "{\"mine\": 1}");
  EXPECT_EQ(read_file(folder / "target/config.json"), read_file(folder / "source/config.json"));
  EXPECT_EQ(list_files(folder / "target").size(), 12U);
}

TEST(ImportHuggingFace, DropsATiedProjectionAndRefusesAnotherOne) {
  const auto add = [](float change) {
    return [change](Tensors& t) {
      t["proj_out.weight"] = t["model.decoder.embed_tokens.weight"];
      t["proj_out.weight"].values.back() += change;
    };
  };
  EXPECT_EQ(hf_refusal(add(0)), "");
  EXPECT_THAT(hf_refusal(add(1)), HasSubstr("proj_out.weight: differs from the embedding"));
}

TEST(ImportHuggingFace, RefusesMissingUnknownAndMisshapenTensors) {
  EXPECT_EQ(hf_refusal([](Tensors&) {}), "");
  EXPECT_THAT(hf_refusal([](Tensors& t) { t.erase(kLastNorm); }),
              HasSubstr("has no tensor model.decoder.layer_norm.weight"));
  EXPECT_THAT(hf_refusal([](Tensors& t) { t["x.lora_A.weight"] = t[kLastNorm]; }),
              HasSubstr("that Whisper does not have: x.lora_A.weight"));
  EXPECT_THAT(hf_refusal([](Tensors& t) {
                t[kLastNorm].shape = {2, 4};
              }),
              HasSubstr("has shape [2, 4], the model needs [8]"));
}

TEST(ImportHuggingFace, RefusesNaNAndInfinityNamingTheTensor) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    EXPECT_THAT(hf_refusal([&](Tensors& t) { t[kLastNorm].values[7] = bad; }, ErrorKind::kNumeric),
                HasSubstr(kLastNorm));
}

TEST(ImportHuggingFace, RefusesATruncatedFile) {
  EXPECT_THAT(refusal([](const Path& folder) {
                write_hf(folder);
                std::filesystem::resize_file(folder / "model.safetensors",
                                             sori::file_size(folder / "model.safetensors") - 1);
              }),
              HasSubstr("truncated"));
}

TEST(ImportHuggingFace, RefusesOtherConfigurations) {
  const auto with = [](const char* key, const Json& value) {
    return [=](const Path& folder) {
      write_hf(folder);
      Json config = read_json(folder / "config.json");
      config[key] = value;
      write_file(folder / "config.json", to_text(config));
    };
  };
  EXPECT_EQ(refusal(with("use_cache", false)), "");
  EXPECT_THAT(refusal(with("model_type", "bert")), HasSubstr("whisper"));
  EXPECT_THAT(refusal(with("d_model", 1 << 30)), HasSubstr("d_model"));
  EXPECT_THAT(refusal(with("vocab_size", 31)), HasSubstr("has shape [32, 8], the model needs [31, 8]"));
}

TEST(Import, RefusesPicklesWithTheLineThatConvertsThem) {
  for (const auto& [name, line] :
       {std::pair{"pytorch_model.bin", "python -c"}, std::pair{"model.pt", "convert_openai"}})
    EXPECT_THAT(refusal([&](const Path& folder) {
                  make_folder(folder);
                  write_file(folder / name, "PK\3\4");
                }),
                HasSubstr(line))
        << name;
  EXPECT_THAT(message_of([] { import_model("/nowhere/base.pt", "/nowhere/out"); }), HasSubstr("convert_openai"));
}

TEST(Import, RefusesAPickleThatCallsItselfModelBin) {
  EXPECT_THAT(refusal([](const Path& folder) {
                write_ct2(folder, ct2_content(DType::kF32));
                write_file(folder / "model.bin", std::string("PK\3\4") + std::string(100, 'x'));
              }),
              HasSubstr("pickle"));
}

TEST(Import, ReplacesATargetOnlyWhenAsked) {
  const TemporaryFolder folder;
  write_hf(folder / "source");
  make_folder(folder / "target");
  write_file(folder / "target/mine.txt", "x");
  const auto error = error_of([&] { import_model(folder / "source", folder / "target"); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kUsage);
  EXPECT_TRUE(std::filesystem::exists(folder / "target/mine.txt"));
  ImportOptions options;
  options.overwrite = true;
  EXPECT_THAT(message_of([&] { import_model(folder / "source", folder / "target", options); }),
              HasSubstr("is not a model folder, so it is not replaced"));
  EXPECT_TRUE(std::filesystem::exists(folder / "target/mine.txt"));
  std::filesystem::copy(folder / "source/model.safetensors", folder / "target/model.safetensors");
  std::filesystem::copy(folder / "source/config.json", folder / "target/config.json");
  import_model(folder / "source", folder / "target", options);
  EXPECT_FALSE(std::filesystem::exists(folder / "target/mine.txt"));
  expect_tiny(folder / "target", DType::kF16);
}

TEST(Import, NeverReplacesWhatItReads) {
  const TemporaryFolder folder;
  write_hf(folder / "outer");
  write_hf(folder / "outer/source");
  std::filesystem::create_directory_symlink("outer", folder / "link");
  ImportOptions options;
  options.overwrite = true;
  for (const char* target : {"outer", "outer/source", "outer/source/.", "link", "link/source/"}) {
    const auto error = error_of([&] { import_model(folder / "outer/source", folder / target, options); });
    ASSERT_TRUE(error) << target;
    EXPECT_EQ(error->kind(), ErrorKind::kUsage);
    EXPECT_THAT(error->what(), HasSubstr("is or holds")) << target;
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "outer/source/model.safetensors"));
}

TEST(Import, ReportsProgressUpToTheEnd) {
  const TemporaryFolder folder;
  write_hf(folder / "source");
  std::int64_t last = 0, total = -1;
  ImportOptions options;
  options.progress = [&](std::int64_t done, std::int64_t all) {
    EXPECT_GE(done, last);
    last = done;
    total = all;
  };
  const ImportReport report = import_model(folder / "source", folder / "target", options);
  EXPECT_EQ(last, total);
  EXPECT_EQ(static_cast<std::uint64_t>(total), report.bytes);
}

TEST(ImportCTranslate2, TakesFusedTensorsApart) {
  for (const DType type : {DType::kF32, DType::kF16}) {
    const TemporaryFolder folder;
    write_ct2(folder / "source", ct2_content(type));
    const ImportReport report = import_model(folder / "source", folder / "target");
    EXPECT_EQ(report.format, "CTranslate2");
    EXPECT_EQ(report.config, tiny_config());
    expect_tiny(folder / "target", type);
  }
}

TEST(ImportCTranslate2, DecodesInt8ToF32WithinHalfAStep) {
  const TemporaryFolder folder;
  write_ct2(folder / "source", ct2_content(DType::kF16, true));
  EXPECT_EQ(import_model(folder / "source", folder / "target").type, DType::kF32);
  const auto file = open_safetensors_folder(folder / "target");
  for (const auto& [name, t] : tiny_tensors()) {
    const auto values = values_of(file->get(name));
    EXPECT_EQ(file->get(name).type, DType::kF32) << name;
    const bool exact = t.shape.size() == 1 || name.find("embed_positions") != std::string::npos;
    const std::size_t cols = t.values.size() / static_cast<std::size_t>(t.shape[0]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      float most = 0;
      for (std::size_t c = i / cols * cols; c < i / cols * cols + cols; ++c)
        most = std::max(most, std::fabs(t.values[c]));
      // A code is off by half a step (amax / 127); scale, product and quotient are each rounded once to f32.
      const float bound = exact ? 0 : (0.5F + 4 * 127 * 0x1p-24F) * most / 127;
      EXPECT_LE(std::fabs(values[i] - t.values[i]), bound) << name << " " << i;
    }
  }
}

TEST(ImportCTranslate2, WritesAGenerationConfigThatKnowsLanguagesAndTasks) {
  const TemporaryFolder folder;
  write_ct2(folder / "source", ct2_content(DType::kF32));
  import_model(folder / "source", folder / "target");
  const Json wanted = parse_json(R"({"alignment_heads": [[0, 3]], "begin_suppress_tokens": [5, 16], "bos_token_id": 16,
      "decoder_start_token_id": 17, "eos_token_id": 16, "is_multilingual": true, "lang_to_id": {"<|en|>": 18, "<|ko|>": 19},
      "task_to_id": {"transcribe": 21, "translate": 20}, "max_initial_timestamp_index": 50, "max_length": 7,
      "no_timestamps_token_id": 24, "pad_token_id": 16, "prev_sot_token_id": 22, "return_timestamps": false,
      "suppress_tokens": [1, 2]})",
                                 "test");
  EXPECT_EQ(read_json(folder / "target/generation_config.json"), wanted);
  EXPECT_EQ(parse_config(read_json(folder / "target/config.json"), "test"), tiny_config());
  EXPECT_EQ(read_json(folder / "target/preprocessor_config.json")["feature_size"], 5);
}

TEST(ImportCTranslate2, WritesTheTokenizersOldFiles) {
  const TemporaryFolder folder;
  write_ct2(folder / "source", ct2_content(DType::kF32));
  import_model(folder / "source", folder / "target");
  EXPECT_EQ(read_file(folder / "target/tokenizer.json"), read_file(folder / "source/tokenizer.json"));
  EXPECT_EQ(read_json(folder / "target/vocab.json"), testing::tiny_tokenizer()["model"]["vocab"]);
  EXPECT_EQ(read_file(folder / "target/merges.txt"), "#version: 0.2\na b\n");
  EXPECT_EQ(read_json(folder / "target/added_tokens.json")["<|ko|>"], 19);
  EXPECT_EQ(read_json(folder / "target/special_tokens_map.json")["additional_special_tokens"].size(), 9U);
}

TEST(ImportCTranslate2, RefusesABiasOnTheKeys) {
  EXPECT_EQ(ct2_refusal([](Ct2Content&) {}), "");
  const auto set = [](const char* name, std::size_t at) {
    return [=](Ct2Content& c) { c.tensors.at(name).bytes[4 * at] = 1; };  // a subnormal is not zero either
  };
  for (const std::size_t key : {8U, 15U})
    EXPECT_THAT(ct2_refusal(set("encoder/layer_1/self_attention/linear_0/bias", key)), HasSubstr("bias on the keys"))
        << key;
  for (const std::size_t other : {7U, 16U})
    EXPECT_EQ(ct2_refusal(set("encoder/layer_1/self_attention/linear_0/bias", other)), "") << other;
  EXPECT_THAT(ct2_refusal(set("decoder/layer_0/attention/linear_1/bias", 7)), HasSubstr("bias on the keys"));
  EXPECT_EQ(ct2_refusal(set("decoder/layer_0/attention/linear_1/bias", 8)), "");
}

TEST(ImportCTranslate2, RefusesModelsThatComputeSomethingElse) {
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) { c.scalar("decoder/activation", 0); }), HasSubstr("decoder/activation"));
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) { c.scalar("decoder/alibi", 1); }), HasSubstr("decoder/alibi"));
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) { c.scalar("decoder/rotary_dim", 0); }), HasSubstr("decoder/rotary_dim"));
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) { c.scalar("encoder/num_heads", 3); }), HasSubstr("heads"));
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) { c.scalar("encoder/num_heads", -2); }), HasSubstr("heads"));
}

TEST(ImportCTranslate2, RefusesMissingUnknownAndMisshapenTensors) {
  for (const char* name : {"encoder/num_heads", "decoder/embeddings/weight", "encoder/layer_1/ffn/linear_1/bias",
                           "decoder/layer_norm/gamma"})
    EXPECT_THAT(ct2_refusal([&](Ct2Content& c) {
                  c.tensors.erase(name);
                  if (name == std::string("decoder/embeddings/weight")) c.aliases.clear();
                }),
                HasSubstr(std::string("has no tensor ") + name));
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) { c.tensors["encoder/extra"] = c.tensors["encoder/conv1/bias"]; }),
              HasSubstr("encoder/extra"));
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) {
                c.tensors["encoder/conv1/bias"].shape = {4, 2};
              }),
              HasSubstr("has shape [4, 2]"));
  EXPECT_THAT(ct2_refusal([](Ct2Content& c) {
                c.tensors["encoder/conv1/weight"].shape = {40, 3};
              }),
              HasSubstr("encoder/conv1/weight"));
}

TEST(ImportCTranslate2, RefusesAProjectionOfItsOwn) {
  const auto untie = [](bool same) {
    return [same](Ct2Content& c) {
      c.aliases.clear();
      auto& own = c.tensors["decoder/projection/weight"] = c.tensors["decoder/embeddings/weight"];
      if (!same) own.bytes[0] ^= 1;
    };
  };
  EXPECT_EQ(ct2_refusal(untie(true)), "");
  EXPECT_THAT(ct2_refusal(untie(false)), HasSubstr("differs from the embedding"));
}

TEST(ImportCTranslate2, RefusesBrokenScales) {
  const auto int8 = [](const std::function<void(Ct2Content&)>& change, ErrorKind kind) {
    return ct2_refusal(change, kind, true);
  };
  EXPECT_EQ(int8([](Ct2Content&) {}, ErrorKind::kInput), "");
  const std::string scale = "encoder/conv1/weight_scale";
  EXPECT_THAT(int8([&](Ct2Content& c) { c.tensors.erase(scale); }, ErrorKind::kInput), HasSubstr(scale));
  EXPECT_THAT(int8([&](Ct2Content& c) { c.tensors[scale].shape = {2, 4}; }, ErrorKind::kInput), HasSubstr(scale));
  EXPECT_THAT(int8([&](Ct2Content& c) { c.tensors[scale].bytes.assign(32, '\0'); }, ErrorKind::kNumeric),
              HasSubstr(scale));
}

// tokenizer.json after a change.
template <class Change>
std::string tokenizer_refusal(Change change) {
  return refusal([&](const Path& folder) {
    write_ct2(folder, ct2_content(DType::kF32));
    Json json = testing::tiny_tokenizer();
    change(json);
    write_file(folder / "tokenizer.json", to_text(json));
  });
}

TEST(ImportTokenizer, MustBelongToTheModel) {
  EXPECT_EQ(tokenizer_refusal([](Json&) {}), "");
  EXPECT_THAT(tokenizer_refusal([](Json& j) { j["model"]["vocab"]["z"] = 32; }),
              HasSubstr("has token 32, but the model only 32"));
  EXPECT_THAT(tokenizer_refusal([](Json& j) { j["model"]["vocab"]["z"] = 16; }), HasSubstr("id 16 for two tokens"));
  EXPECT_THAT(tokenizer_refusal([](Json& j) { j["added_tokens"][3]["content"] = "a"; }), HasSubstr("for two tokens"));
  EXPECT_THAT(tokenizer_refusal([](Json& j) { j["model"]["vocab"]["z"] = -1; }), HasSubstr("impossible id"));
  EXPECT_THAT(tokenizer_refusal([](Json& j) { j["added_tokens"].erase(8); }), HasSubstr("no token <|notimestamps|>"));
  EXPECT_THAT(tokenizer_refusal([](Json& j) { j["added_tokens"].erase(3); }), HasSubstr("other languages"));
  EXPECT_THAT(tokenizer_refusal([](Json& j) { j["model"]["merges"] = {1}; }), HasSubstr("merge"));
}

TEST(ImportTokenizer, IsNeeded) {
  EXPECT_THAT(refusal([](const Path& folder) {
                write_hf(folder);
                std::filesystem::remove(folder / "tokenizer.json");
              }),
              HasSubstr("has no tokenizer.json"));
}

TEST(ImportSideFiles, MustAgreeWithTheModel) {
  const auto with = [](const char* file, const char* text) {
    return [=](const Path& folder) {
      write_ct2(folder, ct2_content(DType::kF32));
      write_file(folder / file, text);
    };
  };
  EXPECT_THAT(refusal(with("preprocessor_config.json", "{\"feature_size\": 80}")),
              HasSubstr("feature_size of 80, the model needs 5"));
  EXPECT_THAT(refusal(with("config.json", "{\"suppress_ids\": [32]}")), HasSubstr("token 32"));
  EXPECT_THAT(refusal(with("config.json", "{\"suppress_ids\": [-1]}")), HasSubstr("token -1"));
  EXPECT_THAT(refusal(with("config.json", "{\"alignment_heads\": [[1, 0]]}")), HasSubstr("alignment_heads"));
  EXPECT_EQ(refusal(with("config.json", "{}")), "");
}

TEST(RandomModel, HasTheExactShapeAndIsAFunctionOfItsSeed) {
  const TemporaryFolder folder;
  write_hf(folder / "tokens");
  for (const auto& [name, seed] : {std::pair{"a", 1}, {"b", 1}, {"c", 2}})
    random_model(tiny_config(), folder / "tokens", folder / name, static_cast<std::uint64_t>(seed));
  const std::string a = read_file(folder / "a/model.safetensors");
  EXPECT_EQ(a, read_file(folder / "b/model.safetensors"));
  EXPECT_NE(a, read_file(folder / "c/model.safetensors"));
  const auto file = open_safetensors_folder(folder / "a");
  const auto list = tensor_list(tiny_config());
  ASSERT_EQ(file->tensors().size(), list.size());
  for (const NamedShape& t : list) {
    EXPECT_EQ(file->get(t.name).shape, t.shape) << t.name;
    EXPECT_EQ(file->get(t.name).type, DType::kBF16);
  }
  for (const float v : values_of(file->get("model.encoder.layers.0.fc1.bias"))) EXPECT_EQ(v, 0);
  for (const float v : values_of(file->get("model.encoder.layers.0.final_layer_norm.weight"))) EXPECT_EQ(v, 1);
  import_model(folder / "a", folder / "again");  // it is a model as any other
}

TEST(RandomModel, DrawsNoiseOfTheStatedDeviation) {
  const TemporaryFolder folder;
  write_hf(folder / "tokens");
  WhisperConfig config = tiny_config();
  config.encoder_ffn = 4096;
  random_model(config, folder / "tokens", folder / "a", 0);
  const auto values = values_of(open_safetensors_folder(folder / "a")->get("model.encoder.layers.0.fc1.weight"));
  double sum = 0, squares = 0;
  for (const float v : values) {
    sum += v;
    squares += double{v} * v;
  }
  const auto n = static_cast<double>(values.size());  // 32768
  EXPECT_NEAR(sum / n, 0, 5 * 0.02 / std::sqrt(n));   // five standard errors
  // The variance of a variance is below 2 sigma^4 / n (the noise has thinner tails than a normal); bf16 adds 2^-9
  // relative.
  EXPECT_NEAR(squares / n, 0.0004, 0.0004 * (5 * std::sqrt(2 / n) + 0x1p-8));
}

}  // namespace
}  // namespace sori
