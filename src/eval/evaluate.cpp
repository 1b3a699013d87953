#include "eval/evaluate.h"

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "base/process_memory.h"
#include "eval/window_transcripts.h"
#include "metrics/normaliser.h"

namespace sori {
namespace {

// What is wrong with a file is said of its utterance.
template <class Body>
auto name_utterance(const Utterance& u, Body&& body) {
  try {
    return body();
  } catch (const Error& e) {
    throw Error{ErrorKind::kInput, e.what(), fmt::format("utterance {}", u.id), ""};
  }
}

// The longest first: nobody waits at the end for a long one that was begun last.
std::vector<std::size_t> by_duration(const std::vector<Utterance>& utterances) {
  std::vector<std::size_t> order(utterances.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return utterances[i].duration; });
  return order;
}

// Hands out the windows of all utterances, the longest first.
class Windows {
 public:
  Windows(const std::vector<Utterance>& utterances, const WindowLength& length, WindowTranscripts& transcripts)
      : utterances_(utterances),
        order_(by_duration(utterances)),
        length_(length),
        transcripts_(transcripts) {}

  bool next(std::vector<float>& samples) {
    for (; next_ < order_.size(); ++next_) {
      const std::size_t i = order_[next_];
      const Utterance& u = utterances_[i];
      const bool more = name_utterance(u, [&] {
        if (!file_) file_.emplace(u.audio, length_, u.offset, u.cut ? u.offset + u.duration : -1);
        return file_->next(samples);
      });
      if (more) {
        transcripts_.add(i, {file_->begin(), file_->end(), {}, true});
        return true;
      }
      file_.reset();
      transcripts_.close(i);
    }
    return false;
  }

 private:
  const std::vector<Utterance>& utterances_;
  std::vector<std::size_t> order_;
  WindowLength length_;
  WindowTranscripts& transcripts_;
  std::size_t next_ = 0;
  std::optional<FileWindows> file_;
};

Prediction predict(const Utterance& u, const Transcript& t) {
  Prediction p;
  p.text = t.text();
  p.score = score_pair(u.text, p.text);
  p.ended = std::ranges::all_of(t.parts, &TranscriptPart::ended);
  return p;
}

Json to_json(const ErrorCounts& counts) {
  return {{"rate", counts.rate()},
          {"substitutions", counts.substitutions},
          {"deletions", counts.deletions},
          {"insertions", counts.insertions},
          {"reference_length", counts.reference_length}};
}

}  // namespace

std::int64_t EvalResult::cut_off() const {
  return std::ranges::count_if(predictions, [](const Prediction& p) { return !p.ended; });
}

void refuse_unreadable(const std::vector<Utterance>& utterances) {
  for (const Utterance& u : utterances) name_utterance(u, [&] { return audio_info(u.audio); });
}

EvalResult evaluate(Recognizer& recognizer, const std::vector<Utterance>& utterances, const EvalProgress& progress) {
  const auto start = Clock::now();
  refuse_unreadable(utterances);
  WindowTranscripts transcripts(utterances.size(), [&, done = std::size_t{0}]() mutable {
    ++done;
    if (progress) progress(done, utterances.size());
  });
  Windows windows(utterances, recognizer.window_length(), transcripts);
  recognizer.recognise([&](std::vector<float>& samples) { return windows.next(samples); },
                       [&](std::size_t window, Decoded d) { transcripts.put(window, std::move(d)); });
  EvalResult result;
  result.max_new_tokens = recognizer.limits().new_tokens;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    result.predictions.push_back(predict(utterances[i], transcripts.of(i)));
    result.score += result.predictions.back().score;
    for (const TranscriptPart& part : transcripts.of(i).parts) result.audio_seconds += part.end - part.start;
  }
  result.wall_seconds = seconds_since(start);
  return result;
}

Json to_json(const EvalResult& r) {
  const auto utterances = static_cast<double>(std::max<std::size_t>(r.predictions.size(), 1));
  return {{"cer", to_json(r.score.cer)},
          {"cer_with_blanks", to_json(r.score.cer_with_blanks)},
          {"wer", to_json(r.score.wer)},
          {"normaliser", kNormaliserName},
          {"utterances", r.predictions.size()},
          {"hours", r.audio_seconds / 3600},
          {"max_new_tokens", r.max_new_tokens},
          {"cut_off", r.cut_off()},
          {"seconds_per_utterance", r.wall_seconds / utterances},
          {"peak_resident_bytes", peak_resident_bytes()}};
}

std::vector<std::size_t> worst(const EvalResult& result, std::size_t count) {
  std::vector<std::size_t> order(result.predictions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) {
    const ErrorCounts& cer = result.predictions[i].score.cer;
    return std::pair(cer.rate(), cer.errors());
  });
  order.resize(std::min(count, order.size()));
  return order;
}

void write_predictions(const Path& path, const std::vector<Utterance>& utterances, const EvalResult& result) {
  require(utterances.size() == result.predictions.size(), "predictions belong to these utterances");
  AtomicFile file(path);
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    const Prediction& p = result.predictions[i];
    Json line = line_of(utterances[i]);  // spells a path that is no UTF-8 as the data set does
    Json out{{"id", utterances[i].id}};
    for (const char* key : {"audio_filepath", "audio_filepath_bytes"})
      if (line.contains(key)) out[key] = std::move(line[key]);
    out["text"] = utterances[i].text;
    out["pred_text"] = p.text;
    out["cer"] = p.score.cer.rate();
    file.write(to_text(out, -1));
  }
  file.commit();
}

}  // namespace sori
