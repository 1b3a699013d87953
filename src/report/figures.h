// The pictures of a report, each with the same numbers as a table. An absent one: there is nothing to draw.
#pragma once

#include <optional>

#include "report/document.h"
#include "report/results.h"

namespace sori {

// Rows in the order in which they first appear: a row's place is its style in every picture.
std::vector<std::string> row_names(const ExperimentResults& results);
std::vector<std::string> arm_names(const ExperimentResults& results);

// Planned and measured, per row; the same of `sori experiment memory`, per batch; what the study's GPU allocated.
std::vector<Figures> memory_figures(const ExperimentResults& results, const ReportLanguage& say);

// One picture an arm.
Figures error_figures(const ExperimentResults& results, const ReportLanguage& say);  // CER against steps
Figures cost_figures(const ExperimentResults& results,
                     const ReportLanguage& say);  // CER against memory and against time
Figures curve_figures(const ExperimentResults& results, const ReportLanguage& say);  // loss and learning rate

}  // namespace sori
