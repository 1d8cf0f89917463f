// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer target: the parts of an HTTP request that are judged. */
#include "fuzz.h"
#include "request.h"

static void check_file(const char *path)
{
	char file[REQUEST_PATH_MAX];
	size_t i;

	memset(file, 0x5a, sizeof(file));
	if (!request_file(path, file, sizeof(file)))
		return;
	expect(memchr(file, 0, sizeof(file)) != NULL);
	expect(file[0] && file[0] != '/' && file[0] != '.');
	for (i = 0; file[i]; i++)
		expect(!(file[i] == '/' && (file[i + 1] == '.' ||
					    file[i + 1] == '/' || !file[i + 1])));
	expect(request_mime(file) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "desktops.example.org", NULL };
	struct fuzz fuzz = { data, size };
	const char *bearer;
	uint8_t what = fuzz_byte(&fuzz);
	size_t length, half;
	char *text;
	bool tls;

	text = malloc(fuzz.size + 1);
	memcpy(text, fuzz.data, fuzz.size);
	text[fuzz.size] = '\0';

	switch (what % 6) {
	case 0:
		check_file(text);
		break;
	case 1:
		request_host_allowed(text, what & 0x80 ? names : NULL);
		break;
	case 2:
		/* two texts, one behind the other */
		half = strlen(text);
		tls = what & 0x80;
		if (half < fuzz.size &&
		    request_origin_allowed(text, text + half + 1, tls))
			expect(!strncasecmp(text, tls ? "https://" : "http://",
					    tls ? 8 : 7));
		break;
	case 3:
		if (request_length(text, &length))
			expect(strspn(text, "0123456789") == strlen(text));
		break;
	case 4:
		bearer = request_bearer(text);
		if (bearer)
			expect(bearer > text && bearer <= text + fuzz.size);
		break;
	default:
		request_listen_allowed(text);
		break;
	}
	free(text);
	return 0;
}
