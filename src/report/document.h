// A report as sections of blocks, and how it becomes one HTML page or its twin in Markdown. All text in it is plain:
// the writers escape it. Pictures stand in the page alone; the twin has their numbers.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "metrics/error_rate.h"
#include "report/words.h"

namespace sori {

struct Paragraph {
  std::string text;
};

// Text for a terminal.
struct Code {
  std::string text;
};

struct Column {
  std::string title;
  bool number = false;  // set flush right
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

struct Figure {
  std::string svg;  // whole and safe, as chart.h draws it
  std::string title;
  Table numbers;
};

// Side by side, with a caption in common.
struct Figures {
  std::string caption;
  std::vector<Figure> figures;
};

struct HeardText {
  std::string name;
  std::vector<Edit> edits;
  std::string note;
};

// What was said, and what each row heard.
struct HeardTexts {
  std::string title;
  std::vector<HeardText> lines;
};

using Block = std::variant<Paragraph, Code, Table, Figures, HeardTexts>;

struct Section {
  std::string title;
  std::vector<Block> blocks;
};

struct Document {
  std::string title;
  std::vector<Section> sections;
};

// One file that needs no other and lets none in (Content-Security-Policy); readable without scripts.
std::string to_html(const Document& document, const ReportLanguage& language);

// Begins with kMarkdownMark.
std::string to_markdown(const Document& document);
inline constexpr std::string_view kMarkdownMark = "<!-- sori report -->\n";

}  // namespace sori
