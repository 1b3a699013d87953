#include "decode/recognizer.h"

#include "base/clock.h"
#include "base/threads.h"
#include "decode/greedy.h"
#include "text/prompt.h"

namespace sori {
namespace {

Limits backend_limits(const WhisperConfig& c, const RecognizerLimits& r) {
  const CacheLimits cache = r.cache();
  Limits l;
  l.rows = std::max({round_rows(r.frames), round_rows(cache.states), step_rows(r.step().tokens)});
  l.width = std::max<std::int64_t>({c.encoder_ffn, c.decoder_ffn, 3 * c.d_model, 3 * c.mel_bins});
  l.query_rows = std::max(cache.states, r.prompt);
  l.key_rows = std::max(cache.states, cache.tokens);
  l.heads = std::max(c.encoder_heads, c.decoder_heads);
  l.head_width = std::max(c.d_model / c.encoder_heads, c.d_model / c.decoder_heads);
  return l;  // no losses: cross_entropy is not called
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

void require_known(int id, int vocab_size) {
  if (id < 0 || id >= vocab_size)
    throw Error{ErrorKind::kInput, fmt::format("token {} of the prompt is none of the model's {}", id, vocab_size),
                "tokenizer.json", "use the tokenizer.json that belongs to the model"};
}

class Stopwatch {  // adds the seconds of its life to a sum
 public:
  explicit Stopwatch(double& sum) : sum_(sum), start_(Clock::now()) {}
  ~Stopwatch() { sum_ += seconds_since(start_); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& sum_;
  Clock::time_point start_;
};

}  // namespace

RecognizerLimits recognizer_limits(const WhisperConfig& config, std::int64_t batch, std::int64_t prompt_tokens,
                                   std::int64_t max_new_tokens) {
  require(batch >= 1 && max_new_tokens >= 1, "at least one window at a time and one token of each");
  require(prompt_tokens >= 1 && prompt_tokens < config.max_target_positions, "the prompt leaves room for text");
  return {batch, 2 * static_cast<std::int64_t>(config.max_source_positions), prompt_tokens,
          std::min(max_new_tokens, config.max_target_positions - prompt_tokens)};
}

RecognizerMemory carve_recognizer(Carver& c, Whisper& model, Backend& backend, const RecognizerLimits& limits) {
  const WhisperConfig& config = model.config;
  const std::int64_t frame_rows = round_rows(limits.frames);
  const SideLimits audio{backend.compute(),    round_rows(limits.cache().states),
                         config.d_model,       config.encoder_ffn,
                         config.encoder_heads, /*backward=*/false};
  RecognizerMemory m;
  m.limits = limits;
  {
    const Carver::In scratch(c, Purpose::kScratch);
    backend.carve_scratch(c, backend_limits(config, limits));
    m.mel = c.mat(DType::kF32, limits.batch * frame_rows, config.mel_bins);
  }
  m.cache = carve_cache(c, model, backend.compute(), limits.cache());
  const Carver::In activations(c, Purpose::kActivations);
  m.step = carve_step(c, model, backend.compute(), limits.step(), limits.cache());
  m.encoder = carve_encoder_saved(c, model.encoder, audio, frame_rows, Keep::kNothing);
  carve_encoder_layers(c, model.encoder, audio, Keep::kNothing, m.encoder);
  return m;
}

// One call of recognise(): who holds which slot, and which windows wait.
class Recognizer::Run {
 public:
  Run(Recognizer& r, const Source& source, const Sink& sink, const OnToken& on_token)
      : r_(r),
        limits_(r.limits()),
        source_(source),
        sink_(sink),
        on_token_(on_token),
        ready_(static_cast<std::size_t>(limits_.batch)) {
    for (std::int64_t slot = limits_.batch; slot-- > 0;) free_.push_back(slot);
  }

  void go() {
    for (;;) {
      while (!free_.empty() && window_is_ready()) start();
      if (alive_.empty()) return;
      step();
    }
  }

 private:
  // A text that is being written.
  struct Track {
    std::int64_t place = 0;  // of its tokens in the cache
    std::vector<int> next;   // tokens to be fed
  };
  struct Utterance {
    std::size_t window = 0;
    std::int64_t slot = 0, states = 0, before = 0;  // states: S of its audio; before: tokens of a text in the cache
    std::vector<Track> tracks;                      // none: its text is complete
    std::optional<BeamSearch> search;
    Decoded decoded;
  };

  Pass decoding() const { return {.backend = r_.backend_, .drop = limits_.drop_decoder ? r_.drop_ : nullptr}; }

  // A window whose log-mel is in memory: its place there, and how much of it the encoder reads.
  Mat mel_of(std::size_t place) const {
    const std::int64_t rows = round_rows(limits_.frames);
    return r_.memory_.mel.row_range(static_cast<std::int64_t>(place) * rows, round_rows(frames_of(place)));
  }
  std::int64_t frames_of(std::size_t place) const {
    return context_frames(limits_.context, static_cast<double>(ready_[place].size()) / kSampleRate, limits_.frames);
  }

  // Pulls as many windows as there are places for, when none is left, and computes their log-mel on all cores.
  bool window_is_ready() {
    if (started_ < pulled_) return true;
    const Stopwatch watch(r_.work_.mel_seconds);
    std::size_t n = 0;
    while (n < ready_.size() && !exhausted_) {
      ready_[n].clear();
      if (!source_(ready_[n])) {
        exhausted_ = true;
        break;
      }
      require(!ready_[n].empty() && std::ssize(ready_[n]) <= limits_.frames * kHop, "a window has sound and fits");
      ++n;
    }
    parallel_for(static_cast<std::int64_t>(n), [&](std::int64_t i) {
      const auto place = static_cast<std::size_t>(i);
      const Mat mel = mel_of(place);
      const std::int64_t frames = frames_of(place);
      r_.log_mel_.compute(ready_[place], mel.row_range(0, frames));
      set_zero(mel.row_range(frames, mel.rows - frames));
    });
    first_ = pulled_;
    pulled_ += n;
    return n > 0;
  }

  // Encodes the next window into a free slot.
  void start() {
    const Stopwatch watch(r_.work_.encoder_seconds);
    RecognizerMemory& m = r_.memory_;
    const std::size_t place = started_ - first_;
    r_.read(frames_of(place));
    encoder_forward({.backend = r_.backend_, .drop = r_.drop_}, r_.model_.encoder, r_.window_, mel_of(place), m.encoder,
                    {});
    fill_cross_cache(decoding(), r_.model_.decoder, m.encoder.norm.y.top(r_.window_.audio.total), free_.back(), m.cache,
                     m.step);
    Utterance u;
    u.window = started_++;
    u.slot = free_.back();
    u.states = r_.window_.audio.spans.front().count;
    u.tracks.push_back({u.slot * limits_.beams, r_.prompt_});
    if (limits_.beams > 1)
      u.search.emplace(static_cast<std::size_t>(limits_.beams), r_.end_of_text_, limits_.new_tokens);
    u.decoded.ids.reserve(static_cast<std::size_t>(limits_.new_tokens));
    free_.pop_back();
    alive_.push_back(std::move(u));
    ++r_.work_.windows;
  }

  // One more token for every text.
  void step() {
    const Stopwatch watch(r_.work_.decoder_seconds);
    items_.clear();
    for (const Utterance& u : alive_)
      for (const Track& t : u.tracks) items_.push_back({t.place, u.slot, u.states, u.before, t.next});
    const Mat logits = decoder_step(decoding(), r_.model_.decoder, items_, r_.memory_.cache, r_.memory_.step);
    ++r_.work_.steps;
    r_.work_.rows += std::ssize(r_.memory_.step.tokens);
    if (limits_.beams > 1)
      search(logits);
    else
      take_the_likeliest(logits);
    std::erase_if(alive_, [](const Utterance& u) { return u.tracks.empty(); });
  }

  static std::span<float> row(Mat logits, std::int64_t i) {
    return {logits.row<float>(i), static_cast<std::size_t>(logits.cols)};
  }

  void take_the_likeliest(Mat logits) {
    choices_.resize(alive_.size());
    parallel_for(std::ssize(alive_), [&](std::int64_t i) {
      const auto u = static_cast<std::size_t>(i);
      choices_[u] = choose(row(logits, i), r_.rules_, alive_[u].decoded.ids);
    });
    for (std::size_t i = 0; i < alive_.size(); ++i) accept(alive_[i], choices_[i]);
  }

  void accept(Utterance& u, const Choice& choice) {
    Decoded& d = u.decoded;
    std::vector<int>& next = u.tracks.front().next;
    u.before += std::ssize(next);
    next.clear();
    d.smallest_margin = std::min(d.smallest_margin, choice.margin);
    ++r_.work_.tokens;
    d.ended = choice.id == r_.end_of_text_;
    if (!d.ended) {
      d.ids.push_back(choice.id);
      if (on_token_) on_token_(u.window, choice.id);
      if (std::ssize(d.ids) < limits_.new_tokens) return next.push_back(choice.id);
    }
    complete(u);
  }

  void search(Mat logits) {
    std::vector<std::vector<TokenScore>> next(items_.size());
    std::vector<const BeamSearch::Text*> texts;
    for (const Utterance& u : alive_)
      for (const BeamSearch::Text& t : u.search->running()) texts.push_back(&t);
    const std::size_t candidates = alive_.front().search->candidates();
    parallel_for(std::ssize(next), [&](std::int64_t i) {
      const auto t = static_cast<std::size_t>(i);
      next[t] = likeliest(row(logits, i), r_.rules_, texts[t]->ids, candidates);
    });
    std::size_t first = 0;
    for (Utterance& u : alive_) {
      const std::size_t count = u.tracks.size();
      go_on(u, u.search->advance(std::span(next).subspan(first, count)));
      first += count;
    }
  }

  // The texts that run after a step, each in a place of its own: the first that goes on from a text stays where that
  // is, and others take the places of those that nothing goes on from.
  void go_on(Utterance& u, const std::vector<BeamSearch::Move>& moves) {
    u.before += std::ssize(u.tracks.front().next);
    r_.work_.tokens += std::ssize(moves);
    std::vector<std::int64_t> free;
    for (std::int64_t i = limits_.beams; i-- > 0;) free.push_back(u.slot * limits_.beams + i);
    std::vector<char> stays(u.tracks.size());
    for (const BeamSearch::Move& m : moves)
      if (!std::exchange(stays[m.parent], true)) std::erase(free, u.tracks[m.parent].place);
    std::vector<Track> tracks;
    for (const BeamSearch::Move& m : moves) {
      std::int64_t place = u.tracks[m.parent].place;
      if (!std::exchange(stays[m.parent], false)) {
        copy_text(r_.memory_.cache, place, free.back(), u.before);
        place = free.back();
        free.pop_back();
      }
      tracks.push_back({place, {m.id}});
    }
    u.tracks = std::move(tracks);
    if (!u.tracks.empty()) return;
    u.decoded.ids = u.search->best().ids;
    u.decoded.ended = u.search->best().ended;
    if (on_token_)
      for (const int id : u.decoded.ids) on_token_(u.window, id);
    complete(u);
  }

  void complete(Utterance& u) {
    u.tracks.clear();
    u.decoded.text = trimmed(r_.tokenizer_.decode(u.decoded.ids));
    free_.push_back(u.slot);
    sink_(u.window, std::move(u.decoded));
  }

  Recognizer& r_;
  const RecognizerLimits& limits_;
  const Source& source_;
  const Sink& sink_;
  const OnToken& on_token_;
  std::vector<Utterance> alive_;
  std::vector<std::int64_t> free_;                    // slots
  std::vector<std::vector<float>> ready_;             // samples of the windows whose log-mel is in memory
  std::size_t first_ = 0, started_ = 0, pulled_ = 0;  // windows: the first of those in memory, and how far we are
  bool exhausted_ = false;
  std::vector<StepItem> items_;
  std::vector<Choice> choices_;
};

Recognizer::Recognizer(Whisper& model, Backend& backend, const Tokenizer& tokenizer, std::vector<int> prompt,
                       DecodeRules rules, RecognizerMemory memory)
    : model_(model),
      backend_(backend),
      tokenizer_(tokenizer),
      rules_(std::move(rules)),
      memory_(std::move(memory)),
      end_of_text_(special_tokens(tokenizer).end_of_text),
      log_mel_(model.config.mel_bins) {
  set_prompt(std::move(prompt));
  require_known(end_of_text_, model.config.vocab_size);
  read(memory_.limits.frames);
}

std::vector<int> Recognizer::set_prompt(std::vector<int> prompt) {
  require(std::ssize(prompt) == memory_.limits.prompt, "the prompt is the one that was planned");
  for (const int id : prompt) require_known(id, model_.config.vocab_size);
  return std::exchange(prompt_, std::move(prompt));
}

void Recognizer::read(std::int64_t frames) {
  BatchItem window;
  window.frames = frames;
  window_.assign({&window, 1});
}

void Recognizer::recognise(const Source& source, const Sink& sink, const OnToken& on_token) {
  Run(*this, source, sink, on_token).go();
}

std::vector<Decoded> Recognizer::recognise(std::span<const std::span<const float>> windows) {
  std::vector<Decoded> all(windows.size());
  std::size_t next = 0;
  recognise(
      [&](std::vector<float>& samples) {
        if (next == windows.size()) return false;
        samples.assign(windows[next].begin(), windows[next].end());
        ++next;
        return true;
      },
      [&](std::size_t window, Decoded d) { all[window] = std::move(d); });
  return all;
}

}  // namespace sori
