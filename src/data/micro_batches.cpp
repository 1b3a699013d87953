#include "data/micro_batches.h"

#include <algorithm>

#include "base/error.h"

namespace sori {

MicroBatches::MicroBatches(const std::vector<Utterance>& utterances, const ExampleMaker& maker,
                           const MicroBatchOptions& options)
    : utterances_(utterances), maker_(maker), options_(options), order_(utterances.size(), options.seed) {
  require(options.step > 0, "an optimizer step has a sample");
  tokens_.reserve(utterances.size());
  for (const Utterance& u : utterances) tokens_.push_back(static_cast<std::int32_t>(maker.labels(u).input.size()));
}

std::vector<MicroBatch> MicroBatches::of_step(std::uint64_t first, std::uint64_t end) {
  struct Sized {
    Sample sample;
    std::int64_t frames, tokens;
  };
  struct Room {
    std::int64_t frames, tokens;
  };
  std::vector<Sized> samples;
  for (std::uint64_t number = first; number < std::min(first + options_.step, end); ++number) {
    const std::size_t utterance = options_.shuffle ? order_.at(number) : number % utterances_.size();
    samples.push_back({{number, utterance}, maker_.frames(utterances_[utterance], number), tokens_[utterance]});
  }
  std::ranges::stable_sort(samples, std::greater{}, &Sized::frames);
  std::vector<MicroBatch> step;
  std::vector<Room> rooms;
  for (const Sized& s : samples) {
    const auto fits = [&](const Room& room) { return room.frames >= s.frames && room.tokens >= s.tokens; };
    auto room = std::ranges::find_if(rooms, fits);
    if (room == rooms.end()) {
      rooms.push_back({options_.frames, options_.tokens});
      step.emplace_back();
      room = rooms.end() - 1;
    }
    room->frames -= s.frames, room->tokens -= s.tokens;
    step[static_cast<std::size_t>(room - rooms.begin())].push_back(s.sample);
  }
  for (MicroBatch& batch : step) std::ranges::sort(batch, {}, &Sample::number);
  return step;
}

}  // namespace sori
