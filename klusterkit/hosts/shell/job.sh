# What watches one long program, in a session of its own: klusterkit-job RECORD TIMEOUT FED ARGV...
# Descriptor 3 goes to the starter, which waits for it to be closed.
umask 077
exec 8>&- 9>&-
record=$1 limit=$2 fed=$3 new=$1.$$
shift 3
lost() {
    rm -rf -- "$new"
    echo "$1" >&3
    exit
}
kk_process $$ && read -r boot </proc/sys/kernel/random/boot_id && mkdir -- "$new" &&
    echo "$$ $kk_born $boot" >"$new/pid" && printf '%s\n' "$@" >"$new/argv" &&
    printf '' >"$new/out" && printf '' >"$new/err" && sync -- "$new"/* "$new" || lost failed
mv -T -- "$new" "$record" 2>/dev/null || lost exists
sync -- "${record%/*}"
echo started >&3
exec 3>&-
cd /
read -r began rest </proc/uptime
if [ "$fed" = 1 ]; then
    base64 -d | KLUSTERKIT_JOB=$record timeout -k 10 "$limit" "$@"
else
    KLUSTERKIT_JOB=$record timeout -k 10 "$limit" "$@" </dev/null
fi >>"$record/out" 2>>"$record/err"
rc=$?
read -r ended rest </proc/uptime
echo "$rc $began $ended $limit" >"$record/rc.new" && sync -- "$record/out" "$record/err" "$record/rc.new" &&
    mv -- "$record/rc.new" "$record/rc" && sync -- "$record"
