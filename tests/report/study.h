// A small experiment's results as they lie in tests/report/study, and changed ones.
#pragma once

#include "base/json.h"
#include "report/results.h"
#include "support/temporary.h"

namespace sori::test {

inline Path study_folder() { return Path(SORI_SOURCE_DIR) / "tests/report/study"; }
inline ExperimentResults study() { return read_results(study_folder()); }

// The study's results with changes, in a folder of their own.
class ChangedStudy {
 public:
  ChangedStudy() : json(read_json(study_folder() / "results.json")) {}

  ExperimentResults read() const {
    write_file(folder / "results.json", to_text(json));
    return read_results(folder.path());
  }

  Json json;
  testing::TemporaryFolder folder;
};

}  // namespace sori::test
