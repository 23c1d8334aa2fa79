/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where each frame of a journal lies, and what needs it; see frames.h. */
#include "torture/frames.h"

#include "harness.h"
#include "store/gdbm/engine.h"

static void note_file(struct frames *frames, const struct kept *kept,
		      size_t file)
{
	const unsigned char *bytes = (void *)kept->files[file].bytes.data;
	size_t size = kept->files[file].bytes.size;
	uint64_t at = JOURNAL_HEAD_SIZE;

	while (at + JOURNAL_FRAME_HEAD_SIZE <= size && bytes[at + 14] != 0) {
		const unsigned char *in = bytes + at;
		struct frame_place *frame = &frames->at[frames->count++];

		CU_ASSERT_FATAL(frames->count < LIVED_REVISIONS);
		frame->file = file;
		frame->position = at;
		frame->end = at + journal_frame_size(le32_get(in + 8));
		frame->revision = le64_get(in + 16);
		frame->durable = le64_get(in + 24);
		frame->seals = in[14] == JOURNAL_END;
		at = frame->end;
	}
}

bool frames_is_live(const struct frames *frames, const char *name)
{
	uint64_t number;

	return journal_name_parse(name, &number) &&
	       number >= frames->first_live;
}

void frames_note(struct frames *frames, const struct kept *kept,
		 uint64_t first_live)
{
	frames->first_live = first_live;
	frames->count = 0;
	for (size_t i = 0; i < kept->count; i++) {
		if (frames_is_live(frames, kept->files[i].name))
			note_file(frames, kept, i);
	}
}

uint64_t frames_left(const struct frames *frames, size_t file, size_t at,
		     size_t end)
{
	uint64_t left = lived->revision;
	uint64_t known = 0;

	for (size_t i = 0; i < frames->count; i++) {
		const struct frame_place *frame = &frames->at[i];
		bool hit = frame->file == file && at < frame->end &&
			   end > frame->position;

		if (hit && frame->seals)
			return 0;
		if (hit && left >= frame->revision)
			left = frame->revision - 1;
		if (!hit && left < frame->revision)
			known = frame->durable;
	}
	return known > left ? 0 : left;
}
