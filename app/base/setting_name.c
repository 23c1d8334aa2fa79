/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding settings by their names, and by names that are nearly theirs. */
#include <string.h>

#include "base/setting.h"

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * How many letters must be put in, taken out or changed to make b of a
 * (Levenshtein), row by row; both shorter than SETTING_NAME_SIZE.
 */
static size_t distance(struct view a, struct view b)
{
	const char *p = a.data, *q = b.data;
	size_t row[SETTING_NAME_SIZE];

	for (size_t j = 0; j <= b.size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.size; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.size; j++) {
			size_t changed = diagonal + (p[i - 1] != q[j - 1]);

			diagonal = row[j];
			row[j] = least(changed, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[b.size];
}

static void consider(struct view name, const char *candidate, size_t *best,
		     const char **nearest)
{
	size_t d = distance(name, view_of(candidate));

	if (d >= *best)
		return;
	*best = d;
	*nearest = candidate;
}

void setting_variable(const char *name, char out[SETTING_NAME_SIZE])
{
	const size_t prefix = sizeof(SETTING_PREFIX) - 1;
	size_t i;

	memcpy(out, SETTING_PREFIX, prefix);
	for (i = 0; name[i] && prefix + i < SETTING_NAME_SIZE - 1; i++) {
		char c = name[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		out[prefix + i] = c == '-' ? '_' : c;
	}
	out[prefix + i] = '\0';
}

const struct setting *setting_find(struct view name)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (view_equal_string(name, settings[i].name))
			return &settings[i];
	return NULL;
}

const struct setting *setting_find_variable(struct view variable)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		char name[SETTING_NAME_SIZE];

		setting_variable(settings[i].name, name);
		if (view_equal_string(variable, name))
			return &settings[i];
	}
	return NULL;
}

const char *setting_nearest(struct view name)
{
	size_t best = name.size / 2 + 1; /* half of it wrong is no slip */
	const char *nearest = NULL;

	if (name.size >= SETTING_NAME_SIZE)
		return NULL;
	for (size_t i = 0; i < SETTING_COUNT; i++)
		consider(name, settings[i].name, &best, &nearest);
	consider(name, SETTING_CONFIG_FILE, &best, &nearest);
	return nearest;
}

const char *setting_nearest_variable(struct view variable)
{
	const char *p = variable.data;
	char name[SETTING_NAME_SIZE];
	size_t size = 0;

	for (size_t i = sizeof(SETTING_PREFIX) - 1; i < variable.size; i++) {
		if (size == sizeof(name))
			return NULL;
		name[size] = p[i] == '_' ? '-' : p[i];
		if (p[i] >= 'A' && p[i] <= 'Z')
			name[size] = (char)(p[i] - 'A' + 'a');
		size++;
	}
	return setting_nearest((struct view){ name, size });
}
