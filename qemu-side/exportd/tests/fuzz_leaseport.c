// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target: a line that a guest says about its leases. */
#include <glib.h>

#include "fuzz.h"
#include "leaseport.h"

/* The port itself is not tried here. */
GDBusConnection *display_connection(struct display *display)
{
	(void)display;
	abort();
}

static void expect_good(const struct leaseport_line *line)
{
	size_t len = strlen(line->session);

	switch (line->word) {
	case LEASEPORT_HELLO:
		expect(len >= 1 && len <= LEASEPORT_SESSION_MAX);
		expect(strspn(line->session, "0123456789abcdef") == len);
		return;
	case LEASEPORT_FAILED:
		expect(g_utf8_validate(line->why, -1, NULL));
		expect(!strpbrk(line->why, "\n\r\033\177"));
		/* fall through */
	case LEASEPORT_DONE:
		expect(line->scanout >= 1 && line->scanout <= UINT16_MAX);
		return;
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct leaseport_line line;
	const char *error = NULL;
	char *text;

	if (size >= LEASEPORT_LINE_MAX)
		return 0;
	/* exactly as much as there is: what is read beyond it shows */
	text = malloc(size ? size : 1);
	memcpy(text, data, size);
	if (leaseport_parse(text, size, &line, &error))
		expect_good(&line);
	else
		expect(error && *error);
	free(text);
	return 0;
}
