#include "data/corpus.h"
#include "data/tree.h"

namespace sori {

Corpus read_folder(const Path& source, const Progress& progress) {
  Corpus corpus;
  corpus.format = "folder";
  corpus.root = source;
  const Tree tree = list_tree(source);
  note_links(tree.links, corpus);
  add_pairs(source, tree.sounds, tree.transcripts, Encoding::kUtf8, progress, corpus);
  return corpus;
}

}  // namespace sori
