// What the results say, in a few sentences computed from them: the lowest error rate, 4 bits against full fine-tuning,
// the memory that is saved.
#pragma once

#include <string>

#include "report/results.h"
#include "report/words.h"

namespace sori {

std::string summary(const ExperimentResults& results, const ReportLanguage& say);

}  // namespace sori
