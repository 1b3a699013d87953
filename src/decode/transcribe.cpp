#include "decode/transcribe.h"

#include "decode/live_text.h"

namespace sori {

std::string Transcript::text() const {
  std::string all;
  for (const TranscriptPart& part : parts)
    if (!part.text.empty()) all += (all.empty() ? "" : " ") + part.text;
  return all;
}

Transcript transcribe(Recognizer& recognizer, const Path& path, const TranscribeCallbacks& callbacks) {
  FileWindows file(path, recognizer.window_length());
  Transcript result;
  double done = 0;
  LiveText live(recognizer.tokenizer(), callbacks.text);
  Recognizer::OnToken on_token;
  if (callbacks.text) on_token = [&](std::size_t window, int id) { live.token(window, id); };
  recognizer.recognise(
      [&](std::vector<float>& samples) {
        if (!file.next(samples)) return false;
        result.parts.push_back({file.begin(), file.end(), {}, true});
        return true;
      },
      [&](std::size_t window, Decoded d) {
        TranscriptPart& part = result.parts[window];
        part.text = std::move(d.text);
        part.ended = d.ended;
        done += part.end - part.start;
        if (callbacks.text) live.end(window);
        if (callbacks.progress) callbacks.progress(done, std::max(done, file.seconds()));
      },
      on_token);
  result.seconds = result.parts.back().end;
  return result;
}

}  // namespace sori
