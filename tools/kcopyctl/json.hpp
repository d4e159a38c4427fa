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

/* How long a character is by its first byte; 0 if none begins like that. */
[[nodiscard]] inline size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first < 0xe0)
		return 2;
	return first < 0xf0 ? 3 : 4;
}

/* Longer than needed, surrogates, and what is beyond the last one begin like characters. */
[[nodiscard]] inline bool utf8_second(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second < 0xa0;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second < 0x90;
	default:
		return true;
	}
}

/*
 * Paths may be of any bytes but JSON is of characters: those beyond ASCII that are not
 * part of one in UTF-8 become U+FFFD. Returns the length of the first one, or 0.
 */
[[nodiscard]] inline size_t utf8_length(std::string_view text)
{
	const auto first = static_cast<unsigned char>(text.front());
	const size_t n = utf8_length(first);

	if (n <= 1)
		return n;
	if (text.size() < n || !utf8_second(first, static_cast<unsigned char>(text[1])))
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80)
			return 0;
	}
	return n;
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
