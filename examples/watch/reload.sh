# Stands for whatever makes a service read its settings again.
printf 'reloaded: %s\n' "$TIDEGATE_CHANGES" >>out/reload.log
