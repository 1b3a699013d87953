// Text from outside in HTML and Markdown: whatever it holds, it stays text.
#pragma once

#include <string>
#include <string_view>

namespace sori {

// For element content and quoted attributes. Control characters and invalid UTF-8 become U+FFFD, as in printable().
std::string escape_html(std::string_view text);

// For one line of GitHub's Markdown, in table cells too: no character starts markup, a cell or an element.
std::string escape_markdown(std::string_view text);

// As it stands in a Content-Security-Policy: 'sha256-...' (CSP Level 3, section 2.3.1; RFC 4648, section 4).
std::string csp_hash(std::string_view text);

}  // namespace sori
