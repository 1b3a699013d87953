// What is told from measurements, with numbers that were never measured.
#include "plan/rates.h"

#include <gtest/gtest.h>

#include "model/lora.h"
#include "plan/shapes.h"
#include "plan/times.h"
#include "support/temporary.h"

namespace sori {
namespace {

constexpr DType kF32 = DType::kF32;
using Kind = OperationKind;

Operation product(std::int64_t rows, std::int64_t in, std::int64_t out, const std::string& format = "f32") {
  return {Kind::kForward, rows, in, out, format};
}

TEST(MachineRates, LieBetweenTheNearestRows) {
  MachineRates r;
  r.add(kF32, product(64, 100, 100), 2);
  r.add(kF32, product(192, 100, 100), 4);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(64, 100, 100)).value(), 2);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(128, 100, 100)).value(), 3);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(100, 100, 100)).value(), 3) << "as products see it: 128";
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(384, 100, 100)).value(), 8) << "beyond: in proportion";
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(3, 100, 100)).value(), 2) << "below: the weight is read all the same";
}

TEST(MachineRates, AreThoseOfTheNearestWeight) {
  MachineRates r;
  r.add(kF32, product(64, 100, 100), 2);
  r.add(kF32, product(64, 1000, 1000), 100);
  r.add(kF32, product(64, 100, 100, "nf4"), 7);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(64, 200, 100)).value(), 4);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(64, 900, 1000)).value(), 90);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(64, 1000, 1000, "nf4")).value(), 700) << "of its own format";
  r.add(kF32, product(64, 5000, 100), 300);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, product(64, 4000, 100)).value(), 240) << "narrow and deep";
  EXPECT_TRUE(r.seconds(kF32, product(64, 100, 100, "int8"))) << "of any, where it has none";
  EXPECT_FALSE(r.seconds(DType::kBF16, product(64, 100, 100)));
  EXPECT_FALSE(r.seconds(kF32, Operation{Kind::kWeightGradient, 64, 100, 100}));
}

TEST(MachineRates, OfAttentionGoByItsWork) {
  const auto attention = [](std::int64_t queries, std::int64_t keys, std::int64_t utterances = 1) {
    return Operation{Kind::kAttention, queries, keys, 64, "", utterances, 1};
  };
  MachineRates r;
  r.add(kF32, attention(1000, 1000), 10);
  r.add(kF32, attention(1, 1000), 1);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, attention(2000, 1000, 2)).value(), 40);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, attention(2, 1000)).value(), 2);
  EXPECT_DOUBLE_EQ(r.best_attention(kF32), attention(1000, 1000).flop() / 10);
}

TEST(MachineRates, AddUpToAStep) {
  MachineRates r;
  const Operation o = product(64, 10, 20), other = product(64, 40, 20);
  r.add(kF32, o, 3);
  Work work;
  work.operations[o] = {2, 1, 4};
  work.operations[other] = {0, 1, 0};
  EXPECT_DOUBLE_EQ(r.seconds(kF32, work).value(), 7 * 3 + 12);
  r.set_between(kF32, 0.5);
  EXPECT_DOUBLE_EQ(r.seconds(kF32, work).value(), 7 * 3 + 12 + 0.5 * 8 * 64 * 20);
}

TEST(MachineRates, MakeACeilingOfUsefulWorkAlone) {
  MachineRates r;
  const Operation alive = product(60, 10, 20), attention{Kind::kAttention, 100, 100, 64, "", 1, 1},
                  slow{Kind::kAttentionBackward, 100, 100, 64, "", 1, 1};
  r.add(kF32, measured_as(alive), 64);
  r.add(kF32, attention, 5), r.add(kF32, slow, 100);
  Work work;
  work.operations[alive] = {1, 0, 10};
  work.operations[slow] = {0, 1, 0};
  EXPECT_DOUBLE_EQ(ceiling_seconds(r, kF32, work), 60 + 2.5 * 5) << "live rows; attention at the best of all";
}

TEST(MachineRates, AreReadAsTheyWereWritten) {
  MachineRates r;
  r.add(kF32, product(64, 10, 20, "nf4"), 0.3);
  const Operation causal{Kind::kAttentionBackward, 5, 7, 64, "", 3, 2, true};
  r.add(DType::kBF16, causal, 1e-6);
  r.set_between(kF32, 2e-10), r.set_update(3e-9);
  const Json json = r.to_json();
  const MachineRates again = MachineRates::from_json(parse_json(to_text(json), "file"), "file");
  EXPECT_EQ(again.to_json(), json);
  EXPECT_EQ(json.at("operations").size(), 2u);
  EXPECT_EQ(again.measured(DType::kBF16, causal), 1e-6);
  EXPECT_EQ(again.measured(kF32, product(64, 10, 20, "nf4")), 0.3);
}

TEST(MachineRates, RefuseADamagedFile) {
  MachineRates r;
  r.add(kF32, product(64, 10, 20), 0.3);
  r.set_between(kF32, 2e-10), r.set_update(3e-9);
  const Json good = r.to_json();
  const auto refused = [&](const std::function<void(Json&)>& damage) {
    Json json = good;
    damage(json);
    const auto error = testing::error_of([&] { MachineRates::from_json(json, "file"); });
    return error && error->kind() == ErrorKind::kInput;
  };
  EXPECT_FALSE(refused([](Json&) {}));
  const auto first = [](Json& j) -> Json& { return j["operations"][0]; };
  EXPECT_TRUE(refused([&](Json& j) { first(j)["seconds"] = 0; }));
  EXPECT_TRUE(refused([&](Json& j) { first(j)["seconds"] = "fast"; }));
  EXPECT_TRUE(refused([&](Json& j) { first(j)["rows"] = 0; }));
  EXPECT_TRUE(refused([&](Json& j) { first(j)["in"] = std::int64_t{1} << 40; }));
  EXPECT_TRUE(refused([&](Json& j) { first(j)["kind"] = "sideways"; }));
  EXPECT_TRUE(refused([&](Json& j) { first(j)["compute"] = "f64"; }));
  EXPECT_TRUE(refused([&](Json& j) { first(j).erase("format"); }));
  EXPECT_TRUE(refused([](Json& j) { j["operations"] = Json::object(); }));
  EXPECT_TRUE(refused([](Json& j) { j.erase("operations"); }));
  EXPECT_TRUE(refused([](Json& j) { j["update_seconds_per_number"] = -1; }));
  EXPECT_TRUE(refused([](Json& j) { j["between_seconds_per_number"]["f32"] = Json(); }));
}

// A machine on which every number that a weight multiplies takes a nanosecond.
class Times : public ::testing::Test {
 protected:
  Times() : model(make_whisper(size_config("tiny"))) {
    add_lora(model, {.target_scope = "decoder"});
    assume_base(model, "bf16", false);
    for (const Kind kind : {Kind::kForward, Kind::kInputGradient, Kind::kWeightGradient})
      rates.add(kF32, {kind, 64, 1000, 1000, kind == Kind::kWeightGradient ? "" : "f32"}, 0.064);
    for (const Kind kind : {Kind::kAttention, Kind::kAttentionBackward})
      rates.add(kF32, {kind, 64, 64, 64, "", 1, 1}, 1e-4);
    request.batch = 4, request.accumulation = 2, request.tokens = 64;
    choice.batch = 2, choice.accumulation = 4;
    choice.limits.judge = recognizer_limits(model.config, 8, 4, 128);
  }
  RunTimes estimate(const RunCounts& counts) { return estimate_times(model, request, choice, counts, rates).value(); }

  Whisper model;
  MachineRates rates;
  RunRequest request;
  RunChoice choice;
};

TEST_F(Times, OfAStepAreThoseOfItsMicroBatchesAndItsUpdate) {
  const double micro_batch = rates.seconds(kF32, step_work(model, {2, 1500, 64})).value();
  EXPECT_DOUBLE_EQ(estimate({}).step, 4 * micro_batch);
  rates.set_update(1);
  double numbers = 0;
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (p.trainable) numbers += static_cast<double>(p.size());
  });
  EXPECT_DOUBLE_EQ(estimate({}).step, 4 * micro_batch + numbers);
}

TEST_F(Times, OfARunAskTheEncoderOncePerUtteranceWhereStatesAreKept) {
  const RunTimes every = estimate({.steps = 10, .utterances = 7}), kept = estimate({10, 7, 0, 0, true});
  EXPECT_DOUBLE_EQ(every.run, 10 * every.step);
  const double encoder = (every.step - kept.step) / 8;  // eight utterances a step
  EXPECT_GT(encoder, 0);
  EXPECT_NEAR(kept.run, 10 * kept.step + 7 * encoder, 1e-9 * kept.run);
}

TEST_F(Times, OfEvaluationsGoByUtterancesAndTokens) {
  const RunTimes two = estimate({10, 7, 2, 50, false});
  EXPECT_DOUBLE_EQ(two.evaluations, 100 * two.judged);
  const double window = rates.seconds(kF32, encode_work(model, 1500)).value(),
               token = rates.seconds(kF32, token_work(model, 8, 1500, 64)).value();
  EXPECT_DOUBLE_EQ(two.judged, window + 60 * token / 8);
  choice.limits.judge.reset();
  EXPECT_EQ(estimate({10, 7, 2, 50, false}).evaluations, 0);
}

TEST_F(Times, AreThoseOfTheAverageUtteranceWhereUtterancesAreKnown) {
  RunCounts counts{.steps = 10, .utterances = 7, .evaluations = 2, .judged = 50};
  counts.learnt = {601, 21}, counts.heard = {400, 14};
  const RunTimes t = estimate(counts);
  EXPECT_DOUBLE_EQ(t.step, 4 * rates.seconds(kF32, step_work(model, {2, 301, 21})).value());
  EXPECT_DOUBLE_EQ(t.judged, rates.seconds(kF32, encode_work(model, 200)).value() +
                                 10 * rates.seconds(kF32, token_work(model, 8, 200, 14)).value() / 8);
}

TEST_F(Times, AreNotToldOfATypeThatWasNotMeasured) {
  request.compute = DType::kBF16;
  choice.limits.judge.reset();
  EXPECT_FALSE(estimate_times(model, request, choice, {}, rates));
}

}  // namespace
}  // namespace sori
