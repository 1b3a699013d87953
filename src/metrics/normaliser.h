// What is compared when speech recognition is scored.
#pragma once

#include <string>
#include <string_view>

namespace sori {

// Printed with every score: numbers of different normalisers cannot be compared.
inline constexpr std::string_view kNormaliserName = "sori-ko/1";

// NFC, lower case, then only letters (L*) and numbers (N*) stay, and marks (M*) that follow a letter: a vowel sign or
// an accent that NFC could not join is a part of its letter, while an emoji's variation selector is not. Invalid UTF-8
// is dropped.
std::string normalise_for_cer(std::string_view utf8);

// The same with white space: one blank between words, none at the ends. Punctuation leaves no blank ("3.5" is "35").
std::string normalise_for_wer(std::string_view utf8);

}  // namespace sori
