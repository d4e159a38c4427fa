/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes JSON (RFC 8259): there is nothing to be read here. */
#ifndef KCOPYCTL_JSON_HPP
#define KCOPYCTL_JSON_HPP

#include <string>
#include <string_view>

#include <fmt/core.h>

#include "text.hpp"

namespace kcopyctl
{

/*
 * Paths may be of any bytes but JSON is of characters: those beyond ASCII that are not
 * part of one in UTF-8 become U+FFFD.
 */
[[nodiscard]] inline size_t utf8_length(std::string_view text)
{
	const auto first = static_cast<unsigned char>(text.front());
	size_t n = 1;

	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		n = 2;
	else if (first >= 0xe0 && first < 0xf0)
		n = 3;
	else if (first >= 0xf0 && first < 0xf5)
		n = 4;
	if (n == 1 || text.size() < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80)
			return 0;
	}

	const auto second = static_cast<unsigned char>(text[1]);
	/* Longer than needed, surrogates, and beyond the last one. */
	const bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
			 (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);

	return bad ? 0 : n;
}

[[nodiscard]] inline std::string json_text(std::string_view text)
{
	std::string out = "\"";

	while (!text.empty()) {
		const char c = text.front();
		const size_t n = utf8_length(text);

		if (n == 0)
			out += "\\ufffd";
		else if (c == '"' || c == '\\')
			out += std::string("\\") + c;
		else if (static_cast<unsigned char>(c) < 0x20)
			out += fmt::format("\\u{:04x}", static_cast<unsigned int>(c));
		else
			out += text.substr(0, n);
		text.remove_prefix(n == 0 ? 1 : n);
	}
	return out + '"';
}

/**
 * class json - one value, written from the outside to the inside
 *
 * Of an object, each value comes after its key.
 */
class json {
public:
	json &begin(char open)
	{
		separate();
		text_ += open;
		ends_ += open == '{' ? '}' : ']';
		first_ = true;
		return *this;
	}

	json &end()
	{
		text_ += ends_.back();
		ends_.pop_back();
		first_ = false;
		return *this;
	}

	json &key(std::string_view name)
	{
		separate();
		text_ += json_text(name) + ':';
		first_ = true;
		return *this;
	}

	json &add(std::string_view text) { return raw(json_text(text)); }
	json &add(const std::string &text) { return raw(json_text(text)); }
	json &add(const char *text) { return raw(json_text(text)); }
	json &add(bool so) { return raw(so ? "true" : "false"); }
	json &add(u64 number) { return raw(std::to_string(number)); }
	json &add(int number) { return raw(std::to_string(number)); }
	json &null() { return raw("null"); }

	template <typename T> json &add(std::string_view name, const T &value)
	{
		return key(name).add(value);
	}

	[[nodiscard]] const std::string &text() const { return text_; }

private:
	json &raw(std::string_view value)
	{
		separate();
		text_ += value;
		return *this;
	}

	void separate()
	{
		if (!first_)
			text_ += ',';
		first_ = false;
	}

	std::string text_;
	std::string ends_;
	bool first_ = true;
};

} /* namespace kcopyctl */

#endif /* KCOPYCTL_JSON_HPP */
