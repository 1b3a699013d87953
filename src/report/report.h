// The report of an experiment: sections in the order in which they are read; what was not measured has no section.
#pragma once

#include "report/document.h"
#include "report/results.h"

namespace sori {

// HeardTexts stand in it only where show_text asks for them.
Document make_report(const ExperimentResults& results, const ReportLanguage& language, bool show_text);

}  // namespace sori
