#include "report/document.h"

#include "base/unicode.h"
#include "report/markup.h"

namespace sori {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Noto Sans KR", "Noto Sans CJK KR", NanumGothic, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 1120px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; border-bottom: 2px solid #ddd; break-after: avoid; }
h3 { font-size: 1rem; margin: 0; break-after: avoid; }
p { margin: .5rem 0; max-width: 50rem; }
nav { font-size: .9rem; } nav a { margin-right: 1rem; white-space: nowrap; } a { color: #00558c; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .5rem; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top; overflow-wrap: break-word; }
th { border-bottom: 2px solid #888; vertical-align: bottom; overflow-wrap: normal; }
td.n, th.n { text-align: right; } td.n { white-space: nowrap; }
tr { break-inside: avoid; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { flex: 1 1 440px; max-width: 600px; min-width: 0; margin: .6rem 0; break-inside: avoid; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, "Noto Sans KR", "Noto Sans CJK KR", NanumGothic, sans-serif; }
figcaption { font-weight: 600; }
.note, summary { font-size: .85rem; color: #444; } summary { cursor: pointer; }
pre { background: #f4f4f4; padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .1rem 1rem; margin: .6rem 0 1.2rem; break-inside: avoid; }
dt { color: #444; font-size: .85rem; max-width: 16rem; } dd { margin: 0; }
del { color: #8c2d00; background: #fde8dd; text-decoration: line-through; text-decoration-thickness: 2px; }
ins { color: #00472f; background: #d9f2e6; text-decoration: underline; text-decoration-thickness: 2px; }
.sub del, .sub ins { background: #fff0c2; }
#hint { position: fixed; display: none; pointer-events: none; background: #1a1a1a; color: #fff; font-size: .8rem; padding: .2rem .5rem;
  border-radius: 4px; max-width: 22rem; z-index: 1; }
#hint.shown { display: block; }
.h:hover .m, .h.on .m { stroke-width: 3.5; }
@media print { :root { font-size: 11px; } body { font-size: 11px; max-width: none; padding: 0; } nav, details { display: none; }
  .figures { display: block; } figure { display: inline-block; width: 48%; vertical-align: top; }
  table { font-size: 8.5px; } th, td { padding: .1rem .3rem; } .scroll { overflow: visible; } }
@page { margin: 14mm; }
)";

// Shows the <title> of what lies under the pointer at once; without it browsers show it after a while.
constexpr std::string_view kScript = R"(
"use strict";
const hint = document.getElementById("hint");
for (const mark of document.querySelectorAll(".h")) {
  const title = mark.querySelector("title"), text = title.textContent;
  const show = (e) => {
    title.textContent = "";
    hint.textContent = text;
    hint.classList.add("shown");
    const box = hint.getBoundingClientRect();
    hint.style.left = Math.max(4, Math.min(e.clientX + 12, innerWidth - box.width - 4)) + "px";
    hint.style.top = Math.max(4, e.clientY - box.height - 10) + "px";
  };
  mark.addEventListener("pointerenter", show);
  mark.addEventListener("pointermove", show);
  mark.addEventListener("pointerleave", () => { title.textContent = text; hint.classList.remove("shown"); });
}
)";

// Neighbours of one kind belong together.
std::vector<std::span<const Edit>> runs_of(const std::vector<Edit>& edits) {
  std::vector<std::span<const Edit>> runs;
  for (auto begin = edits.begin(); begin != edits.end();) {
    const auto end = std::find_if(begin, edits.end(), [&](const Edit& e) { return e.kind != begin->kind; });
    runs.emplace_back(begin, end);
    begin = end;
  }
  return runs;
}

// Of what is marked, a blank is shown.
std::string marked(std::span<const Edit> edits, char32_t Edit::*side) {
  std::string text;
  for (const Edit& e : edits) append_utf8(text, e.*side == U' ' ? U'␣' : e.*side);
  return text;
}
std::string plain(std::span<const Edit> edits) {
  std::string text;
  for (const Edit& e : edits) append_utf8(text, e.heard);
  return text;
}

class HtmlWriter {
 public:
  explicit HtmlWriter(const ReportLanguage& say) : say_(say) {}

  std::string page(const Document& d) {
    out_ = fmt::format(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; "
        "base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n"
        "<style>{}</style>\n</head>\n<body>\n<h1>{}</h1>\n<nav>",
        say_.code(), csp_hash(kStyle), csp_hash(kScript), escape_html(d.title), kStyle, escape_html(d.title));
    for (std::size_t i = 0; i < d.sections.size(); ++i)
      out_ += fmt::format("<a href=\"#s{}\">{}</a> ", i, escape_html(d.sections[i].title));
    out_ += "</nav>\n";
    for (std::size_t i = 0; i < d.sections.size(); ++i) {
      out_ += fmt::format("<section id=\"s{}\">\n<h2>{}</h2>\n", i, escape_html(d.sections[i].title));
      for (const Block& block : d.sections[i].blocks) std::visit([&](const auto& b) { write(b); }, block);
      out_ += "</section>\n";
    }
    return out_ + fmt::format("<div id=\"hint\" aria-hidden=\"true\"></div>\n<script>{}</script>\n</body>\n</html>\n",
                              kScript);
  }

 private:
  void write(const Paragraph& p) { out_ += fmt::format("<p>{}</p>\n", escape_html(p.text)); }
  void write(const Code& c) { out_ += fmt::format("<pre><code>{}</code></pre>\n", escape_html(c.text)); }

  void write(const Table& t) {
    out_ += "<div class=\"scroll\"><table>\n";
    std::vector<std::string> titles;
    for (const Column& c : t.columns) titles.push_back(c.title);
    write_row(t, titles, "th scope=\"col\"", "th");
    for (const auto& row : t.rows) write_row(t, row, "td", "td");
    out_ += "</table></div>\n";
  }

  void write_row(const Table& t, const std::vector<std::string>& row, const char* open, const char* close) {
    out_ += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      out_ += fmt::format("<{}{}>{}</{}>", open, t.columns[i].number ? " class=\"n\"" : "", escape_html(row[i]), close);
    out_ += "</tr>\n";
  }

  void write(const Figures& f) {
    out_ += "<div class=\"figures\">\n";
    for (const Figure& figure : f.figures) {
      out_ += fmt::format("<figure><figcaption>{}</figcaption>\n{}<details><summary>{}</summary>\n",
                          escape_html(figure.title), figure.svg, escape_html(say_(words::kNumbers)));
      write(figure.numbers);
      out_ += "</details></figure>\n";
    }
    out_ += fmt::format("</div>\n<p class=\"note\">{}</p>\n", escape_html(f.caption));
  }

  void write(const HeardTexts& t) {
    out_ += fmt::format("<h3>{}</h3>\n<dl>\n", escape_html(t.title));
    for (const HeardText& line : t.lines) {
      out_ += fmt::format("<dt>{}</dt><dd>", escape_html(line.name));
      for (const auto& run : runs_of(line.edits)) out_ += html(run);
      out_ += fmt::format(" <span class=\"note\">{}</span></dd>\n", escape_html(line.note));
    }
    out_ += "</dl>\n";
  }

  static std::string html(std::span<const Edit> run) {
    const auto deleted = [&] { return fmt::format("<del>{}</del>", escape_html(marked(run, &Edit::said))); };
    const auto inserted = [&] { return fmt::format("<ins>{}</ins>", escape_html(marked(run, &Edit::heard))); };
    switch (run.front().kind) {
      case EditKind::kDeletion:
        return deleted();
      case EditKind::kInsertion:
        return inserted();
      case EditKind::kSubstitution:
        return fmt::format("<span class=\"sub\">{}{}</span>", deleted(), inserted());
      case EditKind::kEqual:
        break;
    }
    return escape_html(plain(run));
  }

  const ReportLanguage& say_;
  std::string out_;
};

class MarkdownWriter {
 public:
  std::string page(const Document& d) {
    out_ = fmt::format("{}\n# {}\n", kMarkdownMark, escape_markdown(d.title));
    for (const Section& s : d.sections) {
      out_ += fmt::format("\n## {}\n", escape_markdown(s.title));
      for (const Block& block : s.blocks) std::visit([&](const auto& b) { write(b); }, block);
    }
    return out_;
  }

 private:
  void write(const Paragraph& p) { out_ += fmt::format("\n{}\n", escape_markdown(p.text)); }
  void write(const Code& c) { out_ += fmt::format("\n    {}\n", printable(c.text)); }  // indented: nothing ends it

  void write(const Table& t) {
    out_ += "\n|";
    for (const Column& c : t.columns) out_ += fmt::format(" {} |", escape_markdown(c.title));
    out_ += "\n|";
    for (const Column& c : t.columns) out_ += c.number ? "---:|" : "---|";
    out_ += '\n';
    for (const auto& row : t.rows) {
      out_ += '|';
      for (const std::string& cell : row) out_ += fmt::format(" {} |", escape_markdown(cell));
      out_ += '\n';
    }
  }

  void write(const Figures& f) {
    for (const Figure& figure : f.figures) {
      out_ += fmt::format("\n### {}\n", escape_markdown(figure.title));
      write(figure.numbers);
    }
    write(Paragraph{f.caption});
  }

  void write(const HeardTexts& t) {
    out_ += fmt::format("\n### {}\n\n", escape_markdown(t.title));
    for (const HeardText& line : t.lines) {
      out_ += fmt::format("* {}: ", escape_markdown(line.name));
      for (const auto& run : runs_of(line.edits)) out_ += markdown(run);
      out_ += fmt::format(" {}\n", escape_markdown(line.note));
    }
  }

  // Markdown's own ~~ and ** do not open inside of words everywhere; these elements do.
  static std::string markdown(std::span<const Edit> run) {
    std::string out;
    const EditKind kind = run.front().kind;
    if (kind == EditKind::kEqual) return escape_markdown(plain(run));
    if (kind != EditKind::kInsertion) out += fmt::format("<del>{}</del>", escape_markdown(marked(run, &Edit::said)));
    if (kind != EditKind::kDeletion) out += fmt::format("<ins>{}</ins>", escape_markdown(marked(run, &Edit::heard)));
    return out;
  }

  std::string out_;
};

}  // namespace

std::string to_html(const Document& document, const ReportLanguage& language) {
  return HtmlWriter(language).page(document);
}

std::string to_markdown(const Document& document) { return MarkdownWriter().page(document); }

}  // namespace sori
