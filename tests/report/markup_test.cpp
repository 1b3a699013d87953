#include "report/markup.h"

#include <gtest/gtest.h>

namespace sori {
namespace {

TEST(EscapeHtml, LeavesNoMarkup) {
  EXPECT_EQ(escape_html("<script>alert(\"1\" & '2')</script>"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
  EXPECT_EQ(escape_html("소리 4 %"), "소리 4 %");
  EXPECT_EQ(escape_html("a\x1B[2J\xFF"), "a\uFFFD[2J\uFFFD");
}

TEST(EscapeMarkdown, LeavesNoMarkupAndNoCell) {
  EXPECT_EQ(escape_markdown("a|b"), "a\\|b");
  EXPECT_EQ(escape_markdown("*a* _b_ `c` [d](e) <i> ~f~ &lt; \\"),
            "\\*a\\* \\_b\\_ \\`c\\` \\[d\\](e) \\<i\\> \\~f\\~ \\&lt; \\\\");
  EXPECT_EQ(escape_markdown("# 1\n| 2"), "\\# 1\uFFFD\\| 2");  // a line stays one
}

// The hash of the empty text: RFC 6234's SHA-256 in base64.
TEST(CspHash, IsBase64OfSha256) {
  EXPECT_EQ(csp_hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
  // The example of CSP Level 2, section 7.17.2.
  EXPECT_EQ(csp_hash("alert('Hello, world.');"), "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
}

}  // namespace
}  // namespace sori
