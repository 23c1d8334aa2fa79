# SPDX-License-Identifier: GPL-3.0-or-later
#
# Completion of librapi's commands and settings in bash.  What there is, and
# which values a choice has, is read from librapi --help, so it is never out
# of date; but for what the command "token" takes, which is no setting.

# The words of a part of --help: "commands", "options" (all that begin with
# two dashes), or the values that a setting may have.
_librapi_help()
{
	"$1" --help 2>/dev/null | awk -v want="$2" '
	/^[A-Z][a-z]+:$/ { part = $1 }
	want == "commands" && part == "Commands:" && /^  [a-z]/ { print $1 }
	want == "options" && /^  --/ {
		name = $1
		sub(/[=,].*/, name ~ /=/ ? "=" : "", name)
		print name
	}
	/^  --/ { text = ""; setting = $1; sub(/=.*/, "", setting) }
	/^        / {
		text = text " " $0
		if (setting != want || !match(text, /\([^()]*;[ ]+default/))
			next
		values = substr(text, RSTART + 1, RLENGTH - 1)
		sub(/;.*/, "", values)
		if (values ~ /^[a-z]+((, +| +or +)[a-z]+)+ *$/) {
			gsub(/ or |,/, " ", values)
			print values
		}
		text = ""
	}'
}

# What follows "token": a setting is none of it.
_librapi_token()
{
	local setting=$1 value=$2 words="--role= --prefix="

	case $setting in
	--role) words="read write admin" ;;
	--prefix) return ;;
	*)
		[[ $COMP_CWORD -gt 2 ]] || words=new
		[[ $words == new ]] || compopt -o nospace 2>/dev/null
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$value")
}

_librapi()
{
	local program=$1 word=${COMP_WORDS[COMP_CWORD]} setting value
	local previous=${COMP_WORDS[COMP_CWORD - 1]}

	# Bash takes --name=value apart at the equals sign.
	if [[ $word == = ]]; then
		setting=$previous value=
	elif [[ $previous == = ]]; then
		setting=${COMP_WORDS[COMP_CWORD - 2]} value=$word
	else
		setting=$previous value=$word
	fi

	COMPREPLY=()
	if [[ ${COMP_WORDS[1]} == token && $COMP_CWORD -gt 1 ]]; then
		_librapi_token "$setting" "$value"
		return
	fi
	case $setting in
	--*-dir)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$value")
		return
		;;
	--*-file)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$value")
		return
		;;
	--*)
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_librapi_help "$program" "$setting")" -- "$value")
		[[ ${#COMPREPLY[@]} == 0 ]] || return
		;;
	esac
	if [[ $word == -* ]]; then
		compopt -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_librapi_help "$program" options)" -- "$word")
	elif [[ $COMP_CWORD == 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_librapi_help "$program" commands)" -- "$word")
	elif [[ ${COMP_WORDS[1]} == import-bolt ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}

complete -F _librapi librapi
