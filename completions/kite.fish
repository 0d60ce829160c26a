# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kite_global_optspecs
    string join \n profile= server= team= json q/quiet v/verbose color= ca-file= insecure h/help V/version
end

function __fish_kite_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kite_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kite_using_subcommand
    set -l cmd (__fish_kite_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kite -n "__fish_kite_needs_command" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_needs_command" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_needs_command" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_needs_command" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_needs_command" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_needs_command" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_needs_command" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_needs_command" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_needs_command" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_needs_command" -s V -l version -d 'Print version'
complete -c kite -n "__fish_kite_needs_command" -f -a "login" -d 'Log in to a server: on its page in a browser, or with a key'
complete -c kite -n "__fish_kite_needs_command" -f -a "logout" -d 'Remove the stored key of this profile'
complete -c kite -n "__fish_kite_needs_command" -f -a "status" -d 'Show the login of this profile, and what its team has on the server'
complete -c kite -n "__fish_kite_needs_command" -f -a "agent" -d 'Send and receive messages between agents'
complete -c kite -n "__fish_kite_needs_command" -f -a "mcp" -d 'Let an AI agent send and receive messages and read events, as a server of the Model Context Protocol'
complete -c kite -n "__fish_kite_needs_command" -f -a "stream" -d 'Print the team\'s events as they come, or run a command for each'
complete -c kite -n "__fish_kite_needs_command" -f -a "proxy" -d 'Post each event to a local server, as its provider did'
complete -c kite -n "__fish_kite_needs_command" -f -a "run" -d 'Hand events on as a manifest says: which ones, what is added to them, where they go'
complete -c kite -n "__fish_kite_needs_command" -f -a "listen" -d 'Give each event to whoever reads a Unix socket'
complete -c kite -n "__fish_kite_needs_command" -f -a "queue" -d 'Look at the events that were not handed on, and try them again'
complete -c kite -n "__fish_kite_needs_command" -f -a "retry" -d 'Hand failed entries on again (older spelling of `kite queue replay`)'
complete -c kite -n "__fish_kite_needs_command" -f -a "logs" -d 'Show stored events, oldest first'
complete -c kite -n "__fish_kite_needs_command" -f -a "emit" -d 'Put a CloudEvent into the team\'s log, or many of them'
complete -c kite -n "__fish_kite_needs_command" -f -a "trigger" -d 'Send a realistic sample of what a source posts, signed with the endpoint\'s own secret'
complete -c kite -n "__fish_kite_needs_command" -f -a "verify" -d 'Check the signature of a webhook, and say what is wrong with it. Nothing is sent anywhere'
complete -c kite -n "__fish_kite_needs_command" -f -a "endpoints" -d 'Make and manage the addresses that webhooks are posted to'
complete -c kite -n "__fish_kite_needs_command" -f -a "github" -d 'Connect a repository on GitHub'
complete -c kite -n "__fish_kite_needs_command" -f -a "keys" -d 'Make, list and revoke API keys'
complete -c kite -n "__fish_kite_needs_command" -f -a "federation" -d 'Exchange events with other instances: peers, what is on its way to them, dead letters'
complete -c kite -n "__fish_kite_needs_command" -f -a "openintent" -d 'Exchange intents with other servers by OpenIntent, and work on them'
complete -c kite -n "__fish_kite_needs_command" -f -a "serve" -d 'Run the server'
complete -c kite -n "__fish_kite_needs_command" -f -a "admin" -d 'Manage teams, keys and backups, straight on the database'
complete -c kite -n "__fish_kite_needs_command" -f -a "demo" -d 'Show everything on one screen, on a throw-away server'
complete -c kite -n "__fish_kite_needs_command" -f -a "bench" -d 'Measure a server under load, beside what this machine allows'
complete -c kite -n "__fish_kite_needs_command" -f -a "doctor" -d 'Check everything between this profile and its server, and say what to do'
complete -c kite -n "__fish_kite_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c kite -n "__fish_kite_needs_command" -f -a "man" -d 'Print the manual page of kite, or write a page for every command'
complete -c kite -n "__fish_kite_needs_command" -f -a "help" -d 'Show help: of kite, of a command, or about a topic'
complete -c kite -n "__fish_kite_using_subcommand login" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand login" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand login" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand login" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand login" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand login" -l with-token -d 'Read the API key from stdin'
complete -c kite -n "__fish_kite_using_subcommand login" -l no-browser -d 'Open no browser; the address and the code are printed in any case'
complete -c kite -n "__fish_kite_using_subcommand login" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand login" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand login" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand login" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand login" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand logout" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand logout" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand logout" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand logout" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand logout" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand logout" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand logout" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand logout" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand logout" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand logout" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand status" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand status" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand status" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand status" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand status" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand status" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand status" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand status" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand status" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -f -a "register" -d 'Give this profile an identity that messages can be addressed to'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -f -a "list" -d 'List the agents that the team\'s server knows'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -f -a "show" -d 'Show the identity of this profile'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -f -a "send" -d 'Send a message to an agent'
complete -c kite -n "__fish_kite_using_subcommand agent; and not __fish_seen_subcommand_from register list show send listen" -f -a "listen" -d 'Print the messages that are sent to an agent, as they come, or run a command for each'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l name -d 'What people call the agent; its id is made from it' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from register" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from list" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from show" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l to -d 'The agent that the message is for; AGENT@PEER is one of another instance' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l from -d 'The sender; otherwise that of KITE_AGENT_ID or of this profile' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l thread -d 'The conversation that it belongs to' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l reply-to -d 'The event that it answers; without --to it goes to the sender of that' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l wait -d 'Wait for a reply and print it; exit 8 when none comes in time' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from send" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l as-id -l as -d 'The agent; otherwise that of KITE_AGENT_ID or of this profile' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l exec -d 'Run this shell command for each event, which it finds on its stdin, and print nothing' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l exec-timeout -d 'How long the command may take, instead of 60s' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l client-id -d 'The name of the cursor; otherwise one that this profile keeps' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l since -d 'First print what is stored: all of it, from event number SEQ on, or since a time ago (30s, 5m, 24h, 7d); and what the cursor still owes' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l count -d 'End after this many events' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l timeout -d 'End after this long; exit 8 when nothing came, or less than --count' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l ready-file -d 'Make this file when the subscription stands' -r -F
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l ephemeral -d 'Begin with what comes from now on, and keep no cursor'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand agent; and __fish_seen_subcommand_from listen" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand mcp" -l as-id -l as -d 'The agent to be; otherwise that of KITE_AGENT_ID or of this profile' -r
complete -c kite -n "__fish_kite_using_subcommand mcp" -l client-id -d 'The name of the agent\'s cursor; otherwise one that this profile keeps, as for `kite agent listen`' -r
complete -c kite -n "__fish_kite_using_subcommand mcp" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand mcp" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand mcp" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand mcp" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand mcp" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand mcp" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand mcp" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand mcp" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand mcp" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand mcp" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand stream" -l source -d 'Only events whose source contains this' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l event-type -l type -d 'Only events whose type contains this' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l importance -d 'Only events that are at least so important, by their attribute `importance`: low, normal (also those that say nothing), high or critical' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l federation-target -d 'Forward each event to the hook of another instance instead of printing it' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l federation-token -d 'What opens that hook; `-` reads it from stdin. Otherwise KITE_FEDERATION_TOKEN' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l instance-id -d 'What to be called in the chain of each event; otherwise an id that this configuration keeps' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l exec -d 'Run this shell command for each event, which it finds on its stdin, and print nothing' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l exec-timeout -d 'How long the command may take, instead of 60s' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l client-id -d 'The name of the cursor; otherwise one that this profile keeps' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l since -d 'First print what is stored: all of it, from event number SEQ on, or since a time ago (30s, 5m, 24h, 7d); and what the cursor still owes' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l count -d 'End after this many events' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l timeout -d 'End after this long; exit 8 when nothing came, or less than --count' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l ready-file -d 'Make this file when the subscription stands' -r -F
complete -c kite -n "__fish_kite_using_subcommand stream" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand stream" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand stream" -l compact -d 'Print the summary alone, or the type where there is none'
complete -c kite -n "__fish_kite_using_subcommand stream" -l ephemeral -d 'Begin with what comes from now on, and keep no cursor'
complete -c kite -n "__fish_kite_using_subcommand stream" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand stream" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand stream" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand stream" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand stream" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand proxy" -l source -d 'Only events whose source contains this' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l event-type -l type -d 'Only events whose type contains this' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l target -d 'Where to post events that have no route of their own' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l route -d 'Where to post the events of one source; may be given several times' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l target-timeout -d 'How long the target may take to answer, instead of 30s' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l sign-secret -d 'Sign each post as Standard Webhooks do, with this secret (`whsec_…`); `-` reads it from stdin' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l client-id -d 'The name of the cursor; otherwise one that this profile keeps' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l since -d 'First print what is stored: all of it, from event number SEQ on, or since a time ago (30s, 5m, 24h, 7d); and what the cursor still owes' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l count -d 'End after this many events' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l timeout -d 'End after this long; exit 8 when nothing came, or less than --count' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l ready-file -d 'Make this file when the subscription stands' -r -F
complete -c kite -n "__fish_kite_using_subcommand proxy" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand proxy" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand proxy" -l ephemeral -d 'Begin with what comes from now on, and keep no cursor'
complete -c kite -n "__fish_kite_using_subcommand proxy" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand proxy" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand proxy" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand proxy" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand proxy" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand run" -l manifest -d 'The manifest' -r -F
complete -c kite -n "__fish_kite_using_subcommand run" -l client-id -d 'The name of the cursor; otherwise one that this profile keeps' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l since -d 'First print what is stored: all of it, from event number SEQ on, or since a time ago (30s, 5m, 24h, 7d); and what the cursor still owes' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l count -d 'End after this many events' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l timeout -d 'End after this long; exit 8 when nothing came, or less than --count' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l ready-file -d 'Make this file when the subscription stands' -r -F
complete -c kite -n "__fish_kite_using_subcommand run" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand run" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand run" -l check -d 'Only say what is wrong with the manifest; with --json, print it with all defaults'
complete -c kite -n "__fish_kite_using_subcommand run" -l ephemeral -d 'Begin with what comes from now on, and keep no cursor'
complete -c kite -n "__fish_kite_using_subcommand run" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand run" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand run" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand run" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand run" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand listen" -l source -d 'Only events whose source contains this' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l event-type -l type -d 'Only events whose type contains this' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l socket -d 'Where to make the socket' -r -F
complete -c kite -n "__fish_kite_using_subcommand listen" -l client-id -d 'The name of the cursor; otherwise one that this profile keeps' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l since -d 'First print what is stored: all of it, from event number SEQ on, or since a time ago (30s, 5m, 24h, 7d); and what the cursor still owes' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l count -d 'End after this many events' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l timeout -d 'End after this long; exit 8 when nothing came, or less than --count' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l ready-file -d 'Make this file when the subscription stands' -r -F
complete -c kite -n "__fish_kite_using_subcommand listen" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand listen" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand listen" -l ephemeral -d 'Begin with what comes from now on, and keep no cursor'
complete -c kite -n "__fish_kite_using_subcommand listen" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand listen" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand listen" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand listen" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand listen" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -f -a "list" -d 'List the newest entries, the oldest of them first'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -f -a "show" -d 'Show an event and what became of it'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -f -a "replay" -d 'Hand entries on again, the oldest first'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -f -a "flush" -d 'Remove entries that came longer ago than this'
complete -c kite -n "__fish_kite_using_subcommand queue; and not __fish_seen_subcommand_from list show replay flush stats" -f -a "stats" -d 'Count the entries of each status'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l status -d 'Only those that are pending, enriching, ready, delivered, failed or filtered' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l source -d 'Only those of the source of this name' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l importance -d 'Only those that are at least low, normal, high or critical' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l since -d 'Only those that came within this time' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l limit -d 'How many at most' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from list" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from show" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l status -d 'Those that are pending, enriching, ready, delivered, failed or filtered' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l source -d 'Only those of the source of this name' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l seq -d 'Only the event of this number' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l target -d 'Post them to this address, wherever they were to go' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l target-timeout -d 'How long the address of `--target` may take to answer, instead of 30s' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l sign-secret -d 'The secret to sign posts with, where they were signed or `--target` is given; `-` reads it from stdin' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l dry-run -d 'Say what would be sent where, and send nothing'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from replay" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l all -d 'Also remove those that are still to be tried: nobody will get these events'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from flush" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand queue; and __fish_seen_subcommand_from stats" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand retry" -l source -d 'Only those of the source of this name' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -l target -d 'Post them to this address, wherever they were to go' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -l target-timeout -d 'How long the address of `--target` may take to answer, instead of 30s' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -l sign-secret -d 'The secret to sign posts with, where they were signed or `--target` is given; `-` reads it from stdin' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand retry" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand retry" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand retry" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand retry" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand retry" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand retry" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand logs" -l limit -d 'At most this many, up to 1000 without --since' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l source -d 'Only events whose source contains this' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l event-type -l type -d 'Only events whose type contains this' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l since -d 'Begin with the oldest, with event number SEQ, or a time ago (30s, 5m, 24h, 7d)' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l trace -d 'Show where the event with this id came from and where it went, hop by hop' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand logs" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand logs" -s f -l follow -d 'Go on with what comes'
complete -c kite -n "__fish_kite_using_subcommand logs" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand logs" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand logs" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand logs" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand logs" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand emit" -l type -d 'What happened, such as com.example.build.done' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l source -d 'Who produced it: a URI reference' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l batch -d 'Many events, one on each line, from a file, or `-` for stdin' -r -F
complete -c kite -n "__fish_kite_using_subcommand emit" -l subject -d 'What it is about' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l data -d 'The payload: JSON, `@FILE`, or `-` for stdin' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l id -d 'The event\'s id; otherwise a fresh UUID' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand emit" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand emit" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand emit" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand emit" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand emit" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand emit" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand trigger" -l data -d 'Members that replace those of the sample: a JSON object, `@FILE`, or `-` for stdin. Null removes one' -r
complete -c kite -n "__fish_kite_using_subcommand trigger" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand trigger" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand trigger" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand trigger" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand trigger" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand trigger" -l list -d 'List the samples that this kite knows; with a source, those of that source'
complete -c kite -n "__fish_kite_using_subcommand trigger" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand trigger" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand trigger" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand trigger" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand trigger" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand verify" -l provider -d 'Who sent it: github, linear, pagerduty, shopify, slack, stripe, twilio, or any other source' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -s H -l header -d 'A header of the request, `Name: value`; may be given several times' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l headers -d 'A file with the request\'s headers, one on a line, or as a JSON object' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l signing-secret -d 'The secret; `-` reads it from stdin' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l secret-file -d 'A file that holds the secret' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l url -d 'The address that was called, with its query: Twilio signs it' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l at -d 'When it was received, in Unix seconds or as RFC 3339; otherwise now' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand verify" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand verify" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand verify" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand verify" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand verify" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand verify" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -f -a "create" -d 'Make an address that webhooks can be posted to. Its token is shown this once'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -f -a "list" -d 'List the team\'s endpoints'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -f -a "rotate-secret" -d 'Change the secret that posts are signed with; the address stays'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and not __fish_seen_subcommand_from create list rotate-secret deactivate" -f -a "deactivate" -d 'Let an endpoint take no more posts'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l source -d 'Where the events come from, such as github' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l signing-secret -d 'The secret that posts are signed with; `-` reads it from stdin' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l max-body -d 'How large a post may be' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from create" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from list" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l source -d 'The endpoint\'s source' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l signing-secret -d 'The new secret; `-` reads it from stdin' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from rotate-secret" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l id -d 'The endpoint\'s id' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l source -d 'The endpoint\'s source' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand endpoints; and __fish_seen_subcommand_from deactivate" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand github; and not __fish_seen_subcommand_from install" -f -a "install" -d 'Let a repository\'s hook post to this team; run again, it updates that hook'
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l repo -d 'The repository; otherwise that of the current directory' -r
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l events -d 'Which events it posts, separated by commas' -r
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l all-events -d 'Have it post all events'
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l rotate-secret -d 'Sign with a new secret; the old one stays valid for ten minutes'
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand github; and __fish_seen_subcommand_from install" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -f -a "create" -d 'Make an API key. It is shown this once'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -f -a "list" -d 'List the team\'s keys, also those that were revoked'
complete -c kite -n "__fish_kite_using_subcommand keys; and not __fish_seen_subcommand_from create list revoke" -f -a "revoke" -d 'Revoke a key: it opens nothing any more, and what it opened is closed'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l name -d 'What to call it' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l scopes -d 'Which events it may see: `*`, `source:TEXT`, `type:TEXT`, `agent_to:ID`' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l permissions -d 'What it may do: read, write, admin' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l expires-at -d 'When it stops working, as 2027-01-31T00:00:00Z' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l expires-in -d 'After how long it stops working (30s, 5m, 24h, 7d)' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from create" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from list" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l id -d 'The key\'s id' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l yes -d 'Revoke it also if it is the key of this profile, which is logged out by that'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "invite" -d 'Make an invitation: the code with which another instance connects itself'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "join" -d 'Connect with the instance that an invitation is from, and try both directions'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "invites" -d 'List invitations and take them back'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "status" -d 'Show how each peer does: what waits for it, and whether it takes it'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "peers" -d 'Add, list and change peers: the instances that events go to and come from'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "tokens" -d 'Make tokens for peers. One opens nothing until a peer has it'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "outbox" -d 'Look at the outbox: events on their way to peers, and what became of them'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "deliveries" -d 'Look at deliveries: every attempt, and what was dropped on purpose'
complete -c kite -n "__fish_kite_using_subcommand federation; and not __fish_seen_subcommand_from invite join invites status peers tokens outbox deliveries dead-letters" -f -a "dead-letters" -d 'Look at dead letters: what a peer refused for good, or what waited for a week. Send or drop them'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l name -d 'What to call the peer that comes of it; otherwise its instance id' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l scope -l scopes -d 'Which types go over the connection, both ways, such as `stripe.*`; may be repeated [default: *]' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l expires -d 'For how long it can be used (1m, 15m, 24h), a week at most [default: 15m]' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invite" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l name -d 'What to call the peer; otherwise its instance id' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from join" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -f -a "list" -d 'List the invitations that were made lately, and what became of them'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from invites" -f -a "revoke" -d 'Take an invitation back: nobody can use it any more'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l interval -d 'How long to wait between two looks (1s, 30s, 5m)' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -s w -l watch -d 'Go on looking'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from status" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "add" -d 'Add a peer. Tokens that are not given are made, and shown this once'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "list" -d 'List the team\'s peers'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "show" -d 'Show a peer. Its tokens are shown to nobody'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "update" -d 'Change a peer: what is not given stays'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "pause" -d 'Let everything for a peer wait, and take nothing from it'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "resume" -d 'Let events go to a peer and come from it again'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "revoke" -d 'Send a peer nothing more, take nothing from it, and cancel what waits for it'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "remove" -d 'Remove a peer with its tokens, and cancel what waits for it'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "test" -d 'Post something to a peer that it does not keep, and say what it answers'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from peers" -f -a "discover" -d 'Ask peers which other instances they know. Nothing is connected by it'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -f -a "create" -d 'Make a token. It is shown this once'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -f -a "list" -d 'List the labels of the tokens that were made'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from tokens" -f -a "revoke" -d 'Forget the label of a token'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from outbox" -f -a "list" -d 'List events on their way to peers: those that wait first, others newest first'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from deliveries" -f -a "list" -d 'List attempts, newest first. Attempt 0 is an event that was dropped on purpose; the error says why'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -f -a "list" -d 'List dead letters, newest first'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -f -a "show" -d 'Explain a dead letter: what was refused, by whom, every attempt, and what can be done'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -f -a "replay" -d 'Send dead letters once more, with no attempts counted'
complete -c kite -n "__fish_kite_using_subcommand federation; and __fish_seen_subcommand_from dead-letters" -f -a "discard" -d 'Drop dead letters for good'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "status" -d 'Show how the server takes part in the federation: its DID, its trust policy, its counters'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "discover" -d 'Show what a server says of itself, and whether its DID document proves its key. No key goes there'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "agents" -d 'List the agents that a server tells of: the login\'s server, or the one at a URL'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "dispatch" -d 'Send an intent to another server, by the login\'s server. It answers as soon as the dispatch is stored'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "dispatches" -d 'Look at dispatches: the intents that went to other servers, and what those told of them'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "run" -d 'Run a workflow: its steps go to agents here and at other servers, each when those that it waits for are done'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "intents" -d 'Work on intents: list them, take one on, say how far it is, finish it'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "callback" -d 'Tell a server what became of an intent that it has dispatched, in the place of the server that works on it'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "identity" -d 'Show the server\'s DID and keys, make it a new key, or export the one that signs'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "ucan" -d 'Make, narrow, read and verify delegation tokens'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "envelope" -d 'Sign envelopes, and verify their signatures'
complete -c kite -n "__fish_kite_using_subcommand openintent; and not __fish_seen_subcommand_from status discover agents dispatch dispatches run intents callback identity ucan envelope trust" -f -a "trust" -d 'Say which servers the team trusts, while the server runs. It needs an admin key'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from status" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from discover" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l source -d 'Which server asks, by its URL' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from agents" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l to -d 'The server that is to work, by its URL' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l intent -d 'The intent\'s id here' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l from -d 'The own agent that sends it, and is told what becomes of it' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l agent -d 'The agent there that it is for' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l title -d 'The intent in a line' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l description -d 'The intent in full' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l state -d 'What is known so far' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l constraints -d 'What is to be kept to' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l permission -d 'An operation that may be done, such as state.patch; may be repeated' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l deny -d 'An operation that must not be done; may be repeated' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l depth -d 'How many further hops there may be' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l expires -d 'Until when it holds: a time (2027-01-31T00:00:00Z) or how long from now (24h)' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l policy -d 'The conditions of the work: an object with governance, budget and observability' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l callback -d 'Where the other server tells the outcome' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l trace -d 'The id of the trace that it belongs to' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l idempotency-key -d 'By what a repeat is known' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l ucan -d 'A delegation token that goes with it; `-` reads it from stdin' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l wait -d 'Wait for the end of the work and print the dispatch' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l retry-for -d 'How long to try again while the server is away or fails' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l issue-token -d 'Let the server make a delegation token for the other one, where the intent has none. It counts this hop: `--depth 1` leaves no further one'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatch" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -f -a "list" -d 'List dispatches, newest first'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from dispatches" -f -a "show" -d 'Show a dispatch: how it stands, the state that the other server told, what was used'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l input -d 'A value that the file calls `$trigger.NAME`: JSON, or a text' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l timeout -d 'How long to wait; what has begun goes on all the same' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l run-id -d 'The id of the run: the same id is the same run, on any machine' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l output -d 'Write the report to a file too, as JSON' -r -F
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l dry-run -d 'Check the file and show what would be done, without asking any server'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l fresh -d 'Begin anew, though a run of this file is not over'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from run" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -f -a "list" -d 'List intents, newest first'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -f -a "show" -d 'Show an intent: its state, what may be done, what was used'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -f -a "assign" -d 'Give an intent to an agent of the own team. It is a message to it, as an intent from another server'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -f -a "accept" -d 'Take an intent on: an agent works on it from now on'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -f -a "progress" -d 'Say how far an intent is: what has changed of its state, what was used'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -f -a "complete" -d 'Finish an intent: the work is done'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from intents" -f -a "fail" -d 'Give an intent up: the work will not be done'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l to -d 'Where callbacks of the dispatch go; of a URL without a path, to the usual one' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l dispatch -d 'The dispatch, by the id that its server gave it' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l event -d 'What is told: state_delta, status_changed, attestation, budget_warning, completed or failed' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l state -d 'What has changed of the intent\'s state: a merge patch' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l attestation -d 'How the work kept to the rules' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l trace -d 'The id of the trace that it belongs to' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l key -d 'The key file of the server that tells it' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l idempotency-key -d 'By what a repeat is known, instead of a key made for this callback' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from callback" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -f -a "show" -d 'Show the DID document that the server publishes: its DID and its keys'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -f -a "rotate" -d 'Make the server a new key. The one before is published for a while beside it; a running server notices'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from identity" -f -a "export" -d 'Write the key that signs to a file: 32 raw bytes, as the Python SDK reads them. Whoever has it is the server'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -f -a "issue" -d 'Make a token that stands on nothing but its issuer\'s word'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -f -a "attenuate" -d 'Make a token of a token: for somebody further on, with no more than the first has'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -f -a "inspect" -d 'Show what a token says, and each one that it stands on. Nothing is verified'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from ucan" -f -a "verify" -d 'Verify a token and all that it stands on: signatures, audiences, times, and that no link widens'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -f -a "sign" -d 'Sign an envelope: print it with its signature, in the place of one that it has'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from envelope" -f -a "verify" -d 'Verify the signature of an envelope: with a key, or with those that its server publishes'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -f -a "list" -d 'List the servers that the team trusts, and where each entry comes from'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -f -a "add" -d 'Trust a server, or say something else of one. What is left out is no more, also where it was said before'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -f -a "remove" -d 'Take back what commands have said of a server'
complete -c kite -n "__fish_kite_using_subcommand openintent; and __fish_seen_subcommand_from trust" -f -a "policy" -d 'Show the team\'s trust policy, or set it'
complete -c kite -n "__fish_kite_using_subcommand serve" -l config -d 'Read settings from a TOML file; flags and variables win over it' -r -F
complete -c kite -n "__fish_kite_using_subcommand serve" -l listen -d 'Where to listen; port 0 picks one [default: 127.0.0.1:7700]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l host -d 'The host alone, as deployments of the hosted server set it; `--listen` wins' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l port -d 'The port alone, likewise' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l tls-cert -d 'Serve over TLS with the certificate chain in this PEM file; a renewed one is taken up without a restart' -r -F
complete -c kite -n "__fish_kite_using_subcommand serve" -l tls-key -d 'The private key of that certificate, a PEM file too' -r -F
complete -c kite -n "__fish_kite_using_subcommand serve" -l database -d 'The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l data-dir -d 'Where the server keeps its files' -r -F
complete -c kite -n "__fish_kite_using_subcommand serve" -l public-url -d 'Where the outside finds this server, as an http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l instance-id -d 'The id of this instance [default: made once and kept]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l max-body-bytes -d 'The largest request body [default: 262144]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l max-connections -d 'How many connections to take at a time [default: 20000]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l trusted-proxies -d 'Networks of proxies whose `X-Forwarded-For` names the client, such as 10.0.0.0/8 [default: none]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l team-rate-limit -d 'How many events of a team are taken in a window [default: all]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l key-rate-limit -d 'How many events with one API key [default: all]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l address-rate-limit -d 'How many events from one address [default: all]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l global-rate-limit -d 'How many events altogether [default: all]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l rate-window-secs -d 'How long a window is, in seconds [default: 60]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l retention-days -d 'How many days events are kept; 0 keeps them for ever [default: 30]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l retention-events -d 'How many events of a team are kept at most [default: all]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l events-limit -d 'How many events of a team are accepted in a calendar month (UTC) [default: all]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l drain-delay -d 'How long to go on serving after the signal to end, while `/readyz` says 503, so that a proxy notices [default: 0s]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l log-format -d 'What the lines of the log on stderr look like [default: text]' -r -f -a "text\t'Words'
json\t'A JSON object'"
complete -c kite -n "__fish_kite_using_subcommand serve" -l console -d 'Serve the operator\'s page at /console [default: true]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l allow-insecure-peers -d 'Call http and https addresses of this machine too, for development' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l allow-private-networks -d 'Call https addresses in private networks too: 10/8, 172.16/12, 192.168/16, fc00::/7' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l federation-max-age -d 'How old an event may be that is still tried at a peer; then it is a dead letter [default: 7d]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l paperclip-api-url -d 'Post messages for agents to the Paperclip at this address too [default: to none]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l paperclip-api-key-file -d 'A file with the key that Paperclip is called with; `KITE_PAPERCLIP_API_KEY` wins' -r -F
complete -c kite -n "__fish_kite_using_subcommand serve" -l openintent -d 'Take part in OpenIntent\'s federation [default: true]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l openintent-trust-policy -d 'Which OpenIntent servers are trusted: open, allowlist or trustless [default: allowlist]' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand serve" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand serve" -l until-stdin-ends -d 'End when stdin ends, for servers that must not outlive whoever started them'
complete -c kite -n "__fish_kite_using_subcommand serve" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand serve" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand serve" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand serve" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand serve" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l database -d 'The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l data-dir -d 'Where the server keeps its files' -r -F
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -f -a "teams" -d 'Teams: make and list them'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -f -a "keys" -d 'API keys: make and revoke them'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -f -a "backup" -d 'Back everything up into one file, also while servers run'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -f -a "restore" -d 'Make a database from a backup'
complete -c kite -n "__fish_kite_using_subcommand admin; and not __fish_seen_subcommand_from teams keys backup restore check" -f -a "check" -d 'Check the database, or a backup, against kite\'s promises'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l database -d 'The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l data-dir -d 'Where the server keeps its files' -r -F
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -f -a "create" -d 'Make a team and its first admin key'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from teams" -f -a "list" -d 'List the teams'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l database -d 'The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l data-dir -d 'Where the server keeps its files' -r -F
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -f -a "create" -d 'Make a key; it is shown this once'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -f -a "revoke" -d 'Revoke a key by its id; its connections end within two seconds'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from keys" -f -a "forget-bootstrap" -d 'Remove the file that keeps the first key'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l database -d 'The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l data-dir -d 'Where the server keeps its files' -r -F
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l force -d 'Replace the file if it is there'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from backup" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l database -d 'The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l data-dir -d 'Where the server keeps its files' -r -F
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l replace -d 'Replace what is in the database; a file is moved aside, a PostgreSQL database is emptied'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l keep-numbers -d 'Keep the numbers of the events. Only for a move in which nothing is lost: the server was stopped before the backup was made, and was not started since'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from restore" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l database -d 'The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l data-dir -d 'Where the server keeps its files' -r -F
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l quick -d 'Leave out the texts of the events, the search for duplicates, and the thorough look at indexes'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand admin; and __fish_seen_subcommand_from check" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand demo" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand demo" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand demo" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand demo" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand demo" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand demo" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand demo" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand demo" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand demo" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand demo" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "limits" -d 'Measure what this machine can do: its disk, its loopback network, a server that does next to nothing'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "publish" -d 'Measure durable publishing: each request is answered when its events are on disk'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "latency" -d 'Measure the way of a message: from its post to the frame at a listener'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "fanout" -d 'Measure what reaches many listeners'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "idle" -d 'Measure the memory that idle listeners cost a throw-away server'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "replay" -d 'Measure reading a long log from its beginning, and resuming at its end, on a throw-away server'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "proxy" -d 'Measure `kite proxy`: from the post at a throw-away server to the request at a local program that answers at once'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "federation" -d 'Measure forwarding between two throw-away servers, and what peers cost a server that stores'
complete -c kite -n "__fish_kite_using_subcommand bench; and not __fish_seen_subcommand_from limits publish latency fanout idle replay proxy federation bare" -f -a "bare" -d 'Run the bare server until stdin ends'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l in-flight -d 'How many requests are under way at the same time; each number is measured' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l duration -d 'How long it counts, such as 5s or 500ms' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l warm-up -d 'How long nothing counts yet [default: 1s]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l size -d 'How large a request\'s body is, in bytes' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from limits" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l publishers -l connections -d 'How many publish at the same time, each over its own connection; several numbers are measured one by one' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l rate -d 'Requests a second altogether [default: as fast as answers come]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l via -d 'How events go in' -r -f -a "http\t'One message with each POST'
rpc\t'Calls over a WebSocket'
webhook\t'One signed push of GitHub\'s with each POST, to an endpoint made for it; throw-away servers only'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l batch -d 'Events in a request, with `--via rpc` [default: 1]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l in-flight -d 'Requests under way on a connection, with `--via rpc` [default: 1]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l duration -d 'How long it counts, such as 5s or 500ms' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l warm-up -d 'How long nothing counts yet [default: 1s]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l size -d 'How large a request\'s body is, in bytes' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l database -d 'The throw-away server\'s database, such as `postgres://…`; it must be empty [default: SQLite]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l rounds -d 'How often each side has its turn [default: 3 with `--floor`, else 1]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l live -d 'Run the load on the server of the login, which keeps what is sent'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l floor -d 'Run the load on a bare server too, in turns'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from publish" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l rate -d 'Messages a second' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l publishers -d 'How many connections messages are posted on' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l duration -d 'How long it counts, such as 5s or 500ms' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l warm-up -d 'How long nothing counts yet [default: 1s]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l size -d 'How large a request\'s body is, in bytes' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l database -d 'The throw-away server\'s database, such as `postgres://…`; it must be empty [default: SQLite]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l rounds -d 'How often each side has its turn [default: 3 with `--floor`, else 1]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l live -d 'Run the load on the server of the login, which keeps what is sent'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l floor -d 'Run the load on a bare server too, in turns'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from latency" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l listeners -d 'How many listen' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l rate -d 'Messages a second [default: as fast as they arrive]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l publishers -d 'How many publish at the same time, each over its own connection' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l duration -d 'How long it counts, such as 5s or 500ms' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l warm-up -d 'How long nothing counts yet [default: 1s]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l size -d 'How large a request\'s body is, in bytes' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l database -d 'The throw-away server\'s database, such as `postgres://…`; it must be empty [default: SQLite]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l rounds -d 'How often each side has its turn [default: 3 with `--floor`, else 1]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l addressed -d 'Send each message to one listener, in turn; otherwise all get everything'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l live -d 'Run the load on the server of the login, which keeps what is sent'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l floor -d 'Run the load on a bare server too, in turns'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l listeners -d 'How many listen' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l database -d 'The server\'s database, such as `postgres://…`; it must be empty [default: SQLite]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from idle" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l events -d 'How many events the log gets' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l database -d 'The server\'s database, such as `postgres://…`; it must be empty [default: SQLite]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from replay" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l rate -d 'Messages a second [default: as fast as they arrive]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l publishers -d 'How many publish at the same time, each over its own connection' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l duration -d 'How long it counts, such as 5s or 500ms' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l warm-up -d 'How long nothing counts yet [default: 1s]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l size -d 'How large a request\'s body is, in bytes' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from proxy" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l events -d 'How many events are forwarded' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l peers -d 'How many peers get every event when storing is measured; they cannot be reached' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l threads -d 'How many threads make the load [default: half of the cores]' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l data-dir -d 'Where throw-away servers keep their files, in a directory that goes away [default: the system\'s for such files]' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from federation" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l listen -d 'Where to listen; port 0 picks one' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l data-dir -d 'Where it keeps its database, which must be new' -r -F
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand bench; and __fish_seen_subcommand_from bare" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand doctor" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand doctor" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand doctor" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand doctor" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand doctor" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand doctor" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand doctor" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand doctor" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand doctor" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand completions" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand completions" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand completions" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand completions" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand completions" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand completions" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand completions" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand completions" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand completions" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand completions" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand man" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand man" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand man" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand man" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand man" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand man" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand man" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand man" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand man" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand man" -l insecure -d 'Let the key go over plain http to another machine'
complete -c kite -n "__fish_kite_using_subcommand help" -l profile -d 'Which identity of this machine to use' -r
complete -c kite -n "__fish_kite_using_subcommand help" -l server -d 'The server\'s http(s) address' -r
complete -c kite -n "__fish_kite_using_subcommand help" -l team -d 'The team; otherwise that of the login' -r
complete -c kite -n "__fish_kite_using_subcommand help" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c kite -n "__fish_kite_using_subcommand help" -l ca-file -d 'Trust the CA certificates in this PEM file too' -r
complete -c kite -n "__fish_kite_using_subcommand help" -s h -l help -d 'Print help'
complete -c kite -n "__fish_kite_using_subcommand help" -l json -d 'Print JSON: one object for a thing, one per line for lists and streams'
complete -c kite -n "__fish_kite_using_subcommand help" -s q -l quiet -d 'Leave out what is said to a person'
complete -c kite -n "__fish_kite_using_subcommand help" -s v -l verbose -d 'Say on stderr what is being done (twice: every step)'
complete -c kite -n "__fish_kite_using_subcommand help" -l insecure -d 'Let the key go over plain http to another machine'
