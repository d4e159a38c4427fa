# SPDX-License-Identifier: GPL-2.0-only
#
# Reads a kernel console and prints every report of the kernel that was not
# declared, and every declared one that did not come.  Declared are
#   ALLOW (environment; a regular expression a line): for the whole run;
#   "kcopyd-test: expect REGEX" ... "kcopyd-test: expect-end" on the console:
#   between the two.
# Exit status: 0 nothing to say, 10 an undeclared report, 11 a declared one absent
# (awk itself takes 2 for a bad regular expression).

function is_report(line)
{
	return line ~ /^(WARNING|BUG|ERROR): / ||
	       line ~ /BUG: |BUG [^ ]+ \(|kernel BUG at|BUG at / ||
	       line ~ /^Oops|Oops: |Kernel panic|general protection fault|double fault|stack segment: / ||
	       line ~ /Unable to handle kernel|invalid opcode: |divide error: |unhandled page fault/ ||
	       line ~ /possible (circular|recursive|irq lock|deadlock|IRQ|bad)/ ||
	       line ~ /inconsistent lock state|bad unlock balance|held lock freed|Invalid wait context/ ||
	       line ~ /safe -> .*unsafe|INFO: trying to register non-static key|nested lock was not taken/ ||
	       line ~ /suspicious RCU|detected stalls|self-detected stall|rcu.*kthread starved/ ||
	       line ~ /lock.*still held|held when returning|DEBUG_LOCKS_WARN_ON/ ||
	       line ~ /scheduling while atomic|sleeping function called/ ||
	       line ~ /^UBSAN: |KASAN: |KFENCE: |KCSAN: |kmemleak: [0-9]+ new suspected|ODEBUG: / ||
	       line ~ /Kernel memory leak detector disabled/ ||
	       line ~ /blocked for more than [0-9]+ seconds|workqueue lockup|(soft|hard|HARD) (lockup|LOCKUP)/ ||
	       line ~ /refcount_t: |list_(add|del) corruption|Bad page (state|map)|bad page state/ ||
	       line ~ /page allocation failure|invoked oom-killer|Out of memory: / ||
	       line ~ /Objects remaining in|stack-protector: |corrupted stack end|irq .*: nobody cared/ ||
	       line ~ /unregister_.*waiting for|Attempted to kill init/
}

BEGIN {
	allowed = split(ENVIRON["ALLOW"], allow, "\n")
	while (allowed && allow[allowed] == "")
		allowed--
	undeclared = absent = shown = context = 0
}

{
	sub(/\r+$/, "")
	line = $0
	sub(/^\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? /, "", line)
}

line ~ /^kcopyd-test: expect / {
	sub(/^kcopyd-test: expect /, "", line)
	expect[++expected] = line
	seen[expected] = 0
	next
}

line ~ /^kcopyd-test: expect-end/ {
	for (i = 1; i <= expected; i++)
		if (!seen[i])
			missing("between its marks", expect[i])
	expected = 0
	next
}

function missing(where, regex)
{
	print "expected " where ", but the kernel did not report: " regex
	absent++
}

is_report(line) {
	declared = 0
	for (i = 1; i <= expected; i++)
		if (line ~ expect[i])
			declared = seen[i] = 1
	for (i = 1; i <= allowed; i++)
		if (line ~ allow[i])
			declared = came[i] = 1
	if (!declared) {
		undeclared++
		# The first tells most; the others are often its consequences.
		context = undeclared <= 3 ? 40 : 1
		if (undeclared <= 20 && context > 1)
			print "---- report " undeclared
	}
}

context > 0 && undeclared <= 20 {
	print
	context--
	if (line ~ /end trace/)
		context = 0
}

END {
	for (i = 1; i <= allowed; i++)
		if (!came[i])
			missing("by --allow", allow[i])
	for (i = 1; i <= expected; i++)
		missing("(and there is no expect-end)", expect[i])
	exit undeclared ? 10 : absent ? 11 : 0
}
