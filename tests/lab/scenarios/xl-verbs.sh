# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# What an admin does with a guest: types into `xl console`, `xl reboot`, `xl shutdown`. With vnc=1, which
# is xl's default: the guest starts, and the log says once that there is no screen to look at.

typed=$guests/verbs.typed
mkfifo "$typed" || fail "no fifo"

# console: what the guest's serial port says goes to its file, as xl console shows it; descriptor 9 is
# the keyboard.
console()
{
    xl console -t serial verbs <"$typed" >>$guests/verbs.serial 2>>"$xl_log" &
    console=$!
    exec 9>"$typed"
}

console_end()
{
    exec 9>&-
    kill $console 2>/dev/null
    wait $console
}

# shell_answers N: it sums up what we type
shell_answers()
{
    echo "echo the sum is \$(($1 + 1000))" >&9
    wait_serial verbs 60 "the sum is $(($1 + 1000))"
}

guest_create verbs boot=d vnc=1 serial=pty \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$(media verbs cd "quiet lab=shell")"
first=$(domid_of verbs) pid=$(dm_pid verbs)
if is_hvmdm; then
    expect "one line about VNC, not $(dm_log verbs | grep -c VNC)" [ "$(dm_log verbs | grep -c VNC)" = 1 ]
fi
console
wait_serial verbs 300 "Type poweroff when you are done"
shell_answers 1

xl reboot verbs >>"$xl_log" 2>&1 || fail "xl reboot"
other_domain()
{
    local domid
    domid=$(domid_of verbs)
    [ -n "$domid" ] && [ "$domid" != "$first" ] && [ -n "$(dm_pid verbs)" ]
}
wait_until 120 "a new domain after xl reboot" other_domain
expect "a reboot" shut_down_with verbs 1
expect "a new device model" [ "$(dm_pid verbs)" != "$pid" ]
console_end
: >$guests/verbs.serial
console
wait_serial verbs 300 "Type poweroff when you are done"
shell_answers 2

xl shutdown -w verbs >>"$xl_log" 2>&1 || fail "xl shutdown"
wait_gone verbs 120
expect "a power off" shut_down_with verbs 0
console_end
expect_clean
