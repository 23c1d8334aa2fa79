-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- For wrk: one request again and again, each with other keys, and the result
-- as a line of JSON.
--
--   wrk ... -s kv.lua URL -- TEMPLATE KEYS SEED
--
-- TEMPLATE is a file with a whole request in which {KEY} stands for a random
-- key, key000000 up to KEYS - 1, and {KEY64} for one in base64.  All keys have
-- one length, so the template's Content-Length is right for each of them.
--
-- Requests with many keys are made beforehand, and taken at random: to make
-- one of 100 keys takes wrk 23 us, a tenth of what the whole transaction does,
-- on the cores of what it loads.

local PREPARED = 512

local pieces, kinds, keys = {}, {}, 1
local digits64, prepared = {}, {}
local thread_count = 0

function setup(thread)
	thread:set("number", thread_count)
	thread_count = thread_count + 1
end

local alphabet =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(three)
	local a, b, c = three:byte(1, 3)
	local n = a * 65536 + b * 256 + c
	local out = ""

	for shift = 18, 0, -6 do
		local i = math.floor(n / 2 ^ shift) % 64 + 1
		out = out .. alphabet:sub(i, i)
	end
	return out
end

local function cut(text)
	local at = 1

	while true do
		local first, last, kind = text:find("{(KEY6?4?)}", at)

		pieces[#pieces + 1] = text:sub(at, (first or 0) - 1)
		if not first then
			return
		end
		kinds[#kinds + 1] = kind
		at = last + 1
	end
end

local function key(kind)
	local n = math.random(0, keys - 1)

	if kind == "KEY" then
		return string.format("key%06d", n)
	end
	return "a2V5" .. digits64[math.floor(n / 1000)] .. digits64[n % 1000]
end

local function filled()
	local out = {}

	for i, kind in ipairs(kinds) do
		out[#out + 1] = pieces[i]
		out[#out + 1] = key(kind)
	end
	out[#out + 1] = pieces[#pieces]
	return table.concat(out)
end

function init(args)
	local file = assert(io.open(args[1], "rb"))

	cut(file:read("*a"))
	file:close()
	keys = tonumber(args[2])
	math.randomseed(tonumber(args[3]) * 1000 + number)
	for i = 0, 999 do
		digits64[i] = base64(string.format("%03d", i))
	end
	for i = 1, #kinds > 1 and PREPARED or 0 do
		prepared[i] = filled()
	end
end

function request()
	if #kinds == 0 then
		return pieces[1]
	elseif #kinds == 1 then
		return pieces[1] .. key(kinds[1]) .. pieces[2]
	end
	return prepared[math.random(#prepared)]
end

function done(summary, latency)
	local errors = summary.errors

	io.write(string.format('{"requests": %d, "us": %d, "bad_status": %d, ' ..
		'"broken": %d, "p50": %d, "p90": %d, "p99": %d, "p999": %d, ' ..
		'"max": %d}\n',
		summary.requests, summary.duration, errors.status,
		errors.connect + errors.read + errors.write + errors.timeout,
		latency:percentile(50), latency:percentile(90),
		latency:percentile(99), latency:percentile(99.9),
		latency.max))
end
