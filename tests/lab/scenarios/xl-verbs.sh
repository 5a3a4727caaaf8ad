# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# What an admin does with a guest: types into `xl console`, `xl reboot`, `xl shutdown`. With vnc=1, which
# is xl's default: the guest starts, and the log says once that there is no screen to look at.

keyboard=$guests/keyboard
mkfifo "$keyboard" || fail "no fifo"
exec 9<>"$keyboard" # both ways: nothing waits for the other end, and it never ends

has_terminal()
{
    xenstore-exists "/local/domain/$(domid_of verbs)/serial/0/tty"
}

# console: somebody looks at the guest's serial port (what he sees is the guest's serial file) and
# types what is written to descriptor 9. xl console takes input from a terminal only, which script makes.
console()
{
    wait_until 60 "a terminal for the serial port" has_terminal
    script -q -c "exec xl console -t serial verbs" /dev/null <"$keyboard" >$guests/verbs.serial 2>>"$xl_log" &
    console=$!
}

console_end()
{
    kill $console 2>/dev/null
    wait $console
}

# shell_answers N: the guest's shell sums up what we type
shell_answers()
{
    wait_serial verbs 300 "Type poweroff when you are done"
    echo "echo the sum is \$(($1 + 1000))" >&9
    wait_serial verbs 60 "the sum is $(($1 + 1000))"
}

other_domain()
{
    local domid
    domid=$(domid_of verbs)
    [ -n "$domid" ] && [ "$domid" != "$first" ] && [ -n "$(dm_pid verbs)" ]
}

guest_create verbs boot=d vnc=1 serial=pty \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$(media verbs cd "quiet lab=shell")"
first=$(domid_of verbs) pid=$(dm_pid verbs)
if is_hvmdm; then
    expect "one line about VNC, not $(dm_log verbs | grep -c VNC)" [ "$(dm_log verbs | grep -c VNC)" = 1 ]
fi
console
shell_answers 1

xl reboot verbs >>"$xl_log" 2>&1 || fail "xl reboot"
wait_until 120 "a new domain after xl reboot" other_domain
expect "a reboot" shut_down_with verbs 1
expect "a new device model" [ "$(dm_pid verbs)" != "$pid" ]
console_end
console
shell_answers 2

timeout 120 xl shutdown -w verbs >>"$xl_log" 2>&1 || fail "xl shutdown"
wait_gone verbs 60
expect "a power off" shut_down_with verbs 0
console_end
expect_clean
