#include "report/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unicode.h"

namespace sori {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kHostile = "<script>alert(1)</script>|*x*";

Document document() {
  const std::vector<char32_t> said = code_points("가나 다라"), heard = code_points("가마다라 바");
  return {"A & B",
          {{"First",
            {Paragraph{kHostile}, Code{"sori x --y `z`"}, Table{{{"name"}, {"value", true}}, {{kHostile, "4.2 %"}}},
             Figures{"caption", {{"<svg>picture</svg>", "figure", {{{"n", true}}, {{"7"}}}}}},
             HeardTexts{"utterance", {{"nf4", align(said, heard), "CER 1 %"}}}}}}};
}

TEST(Html, IsOnePageThatLetsNothingIn) {
  const std::string html = to_html(document(), ReportLanguage(false));
  EXPECT_TRUE(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
  EXPECT_THAT(html, HasSubstr("Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-"));
  EXPECT_THAT(html, HasSubstr("<h1>A &amp; B</h1>"));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;|*x*"));
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\">4.2 %</td>"));
  EXPECT_THAT(html, HasSubstr("<svg>picture</svg>"));
  EXPECT_THAT(html, HasSubstr("<pre><code>sori x --y `z`</code></pre>"));
  for (const char* outside : {"http:", "https:", "src=", "@import", "url(", "style=\""})
    EXPECT_THAT(html, Not(HasSubstr(outside))) << outside;
}

TEST(Html, MarksErrorsBySignAndColour) {
  const std::string html = to_html(document(), ReportLanguage(true));
  EXPECT_TRUE(html.starts_with("<!doctype html>\n<html lang=\"ko\">"));
  EXPECT_THAT(html, HasSubstr("가<span class=\"sub\"><del>나</del><ins>마</ins></span><del>␣</del>다라<ins>␣바</ins>"));
}

TEST(Markdown, HasTheSameSectionsWithNumbersForPictures) {
  const std::string text = to_markdown(document());
  EXPECT_TRUE(text.starts_with(kMarkdownMark));
  EXPECT_THAT(text, HasSubstr("\n# A \\& B\n"));
  EXPECT_THAT(text, HasSubstr("\n## First\n"));
  EXPECT_THAT(text, HasSubstr("\n\\<script\\>alert(1)\\</script\\>\\|\\*x\\*\n"));
  EXPECT_THAT(text,
              HasSubstr("| name | value |\n|---|---:|\n| \\<script\\>alert(1)\\</script\\>\\|\\*x\\* | 4.2 % |\n"));
  EXPECT_THAT(text, HasSubstr("\n    sori x --y `z`\n"));
  EXPECT_THAT(text, HasSubstr("### figure\n\n| n |\n|---:|\n| 7 |\n"));
  EXPECT_THAT(text, Not(HasSubstr("svg")));
  EXPECT_THAT(text, HasSubstr("* nf4: 가<del>나</del><ins>마</ins><del>␣</del>다라<ins>␣바</ins> CER 1 %\n"));
}

}  // namespace
}  // namespace sori
