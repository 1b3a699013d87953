// sori report: an experiment's results as one HTML page and its twin in Markdown.
#include "report/report.h"

#include "base/unicode.h"
#include "cli/cli.h"

namespace sori {
namespace {

struct Options {
  std::string folder, page, lang = "en";
  bool show_text = false;

  void describe(OptionTable& t) {
    t.argument("DIR", folder,
               "folder of an experiment: results.json, and memory.json and guard.json where they lie there");
    t.argument("OUT.html", page, "page to write; the same in Markdown lies beside it, as OUT.md");
    t.choice("lang", lang, "language of the report", {"en", "ko"});
    t.flag("show-text", show_text, "show what was said and heard, with the errors marked, where the results hold it");
  }
};

Path markdown_beside(const Path& page) {
  if (page.extension() != ".html")
    throw Error{ErrorKind::kUsage, "does not end in .html", printable(page.string()), "name the page OUT.html"};
  return Path(page).replace_extension(".md");
}

// Its name was not said by the user: only an older twin is replaced.
void check_twin(const Path& twin) {
  std::error_code code;
  if (std::filesystem::exists(twin, code) && !read_file(twin).starts_with(kMarkdownMark))
    throw Error{ErrorKind::kUsage, "is not a report of sori, and would be replaced", printable(twin.string()),
                "move it away, or name another page"};
}

}  // namespace

int run_report(const Verb& verb, const std::vector<std::string>& words, Log&) {
  Options o;
  OptionTable table;
  o.describe(table);
  if (!parse_table(verb, table, words)) return 0;
  const Path twin = markdown_beside(o.page);
  check_twin(twin);
  for (const Path& file : {Path(o.page), twin}) check_writable(file);
  const ReportLanguage language(o.lang == "ko");
  const Document document = make_report(read_results(o.folder), language, o.show_text);
  write_file(o.page, to_html(document, language));
  write_file(twin, to_markdown(document));
  print_result(fmt::format("{}\n{}\n", printable(o.page), printable(twin.string())));
  return 0;
}

}  // namespace sori
