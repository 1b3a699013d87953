// Sounds in which nobody says anything: what a model writes of them it makes up.
#pragma once

#include <cstdint>
#include <vector>

namespace sori {

enum class Noise {
  kWhite,  // independent normal numbers: as much in every hertz
  kPink,   // as much in every octave (within 0.5 dB: P. Kellet's filter of white noise, "economy" version)
  kBabble  // eight talkers at once: buzzes with the pitch, the pace and about the spectrum of voices, and no words
};
const char* name_of(Noise noise);  // white, pink, babble

// So many seconds at 16 kHz with this RMS level, in dB of full scale (a sample of 1): speech is near -26 (ITU-T P.56's
// usual active level), a quiet room near -60, the steps of 16 bits near -98. The same arguments give the same samples.
std::vector<float> make_noise(Noise noise, double seconds, double level, std::uint64_t seed);
std::vector<float> make_silence(double seconds);

}  // namespace sori
