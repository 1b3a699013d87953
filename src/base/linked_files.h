// The files of a folder that is the user's own: its links are followed, wherever they lead.
#pragma once

#include "base/file.h"

namespace sori {

struct LinkedFiles {
  std::vector<Path> files;    // relative to the folder, under the links' own names, sorted by bytes
  std::int64_t followed = 0;  // links, to files and to folders
  // Links to nothing, to themselves, to what is neither file nor folder, and to folders whose files are listed under
  // another name already: these can be loops.
  std::vector<Path> not_followed;
};

// Each folder is listed once: as it lies there, otherwise by the first link to it. Error kIo for a folder that cannot
// be read.
LinkedFiles list_linked_files(const Path& folder, bool recursive = true);

}  // namespace sori
